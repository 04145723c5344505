//! One connection in a closed loop, with blocking calls: the least that a
//! client can do, so that the rest of the time is the server's.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::client::Client;
use super::{
    ErrorKind, Limit, Live, Outcome, Plan, Shape, TELL, Tally, Witness,
    cannot_open,
};

/// Does what the plan says with one connection.
pub(super) fn run(
    plan: &Plan,
    live: &Live,
    witness: Witness<'_>,
) -> Result<Outcome> {
    let size = plan.message_size.get();
    let mut client = Client::new(plan.target, size, plan.timeout);
    let mut staying = None;
    let mut operate = || match plan.shape {
        Shape::Exchange(ending) => client.exchange(ending),
        Shape::Echo => {
            let mut stream = match staying.take() {
                Some(stream) => stream,
                None => client.connect()?,
            };
            client.round_trip(&mut stream)?;
            staying = Some(stream);
            Ok(())
        }
    };
    // The first operation shows whether the server can be measured at all.
    if let Err(kind) = operate() {
        return cannot_open(plan, kind);
    }
    let warm_until = Instant::now() + plan.warm_up;
    while Instant::now() < warm_until && !live.stops() {
        if operate().is_err() {
            break; // counted below, when it happens again
        }
    }

    let (limit, most) = match plan.limit {
        Limit::Time(time) => (time, u64::MAX),
        Limit::Count(count) => (super::LONGEST, count),
    };
    let mut tally = Tally::new(live);
    tally.begin(witness);
    let mut now = tally.start;
    let mut told = now;
    let mut done = 0;
    while now - tally.start < limit && done < most && !live.stops() {
        let result = operate();
        let end = Instant::now();
        match result {
            Ok(()) => tally.complete(end - now),
            Err(kind) => {
                tally.fail(kind);
                if kind == ErrorKind::Refused {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        done += 1;
        if end - told >= TELL {
            tally.tell();
            told = end;
        }
        now = end;
    }
    if plan.shape == Shape::Echo {
        client.source.closed_first += 1;
    }
    Ok(tally.end(witness, 0, client.source.ports()))
}
