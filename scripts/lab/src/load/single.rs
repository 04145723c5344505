//! One connection in a closed loop, with blocking calls: the least that a
//! client can do, so that the rest of the time is the server's.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::Type;

use super::{
    Ending, ErrorKind, Limit, Live, Message, Outcome, Plan, Shape, Source,
    TELL, Tally, Witness, cannot_open,
};

struct Client<'plan> {
    plan: &'plan Plan,
    source: Source,
    /// The connection that stays, of a load that keeps it.
    staying: Option<TcpStream>,
    message: Message,
    reply: Vec<u8>,
    number: u64,
}

impl Client<'_> {
    /// Sends one message and verifies its reply: on a connection of its own
    /// whose end is awaited, or on the one that stays.
    fn operate(&mut self) -> Result<(), ErrorKind> {
        let mut stream = match self.staying.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        self.round_trip(&mut stream)?;
        match self.plan.shape {
            Shape::Exchange(ending) => self.end(&mut stream, ending)?,
            Shape::Echo => self.staying = Some(stream),
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<TcpStream, ErrorKind> {
        let stream = TcpStream::from(self.source.connect(Type::STREAM)?);
        stream.set_read_timeout(Some(self.plan.timeout))?;
        stream.set_write_timeout(Some(self.plan.timeout))?;
        Ok(stream)
    }

    fn round_trip(&mut self, stream: &mut TcpStream) -> Result<(), ErrorKind> {
        self.number += 1;
        let message = self.message.numbered(self.number);
        stream.write_all(message)?;
        let mut received = 0;
        while received < message.len() {
            // The buffer is longer than the reply, to catch what is too much.
            match stream.read(&mut self.reply[received..]) {
                Ok(0) => return Err(ErrorKind::Truncated),
                Ok(size) => received += size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if received > message.len() {
            return Err(ErrorKind::Excess);
        }
        if self.reply[..received] != *message {
            return Err(ErrorKind::Wrong);
        }
        Ok(())
    }

    fn end(
        &mut self,
        stream: &mut TcpStream,
        ending: Ending,
    ) -> Result<(), ErrorKind> {
        if ending == Ending::Client {
            stream.shutdown(Shutdown::Write)?;
            self.source.closed_first();
        }
        match stream.read(&mut self.reply).map_err(ErrorKind::from) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ErrorKind::Excess),
            Err(ErrorKind::TimedOut) => Err(ErrorKind::NotClosed),
            Err(other) => Err(other),
        }
    }
}

/// Does what the plan says with one connection.
pub(super) fn run(
    plan: &Plan,
    live: &Live,
    witness: &dyn Witness,
) -> Result<Outcome> {
    let mut client = Client {
        plan,
        source: Source::new(plan.target),
        staying: None,
        message: Message::new(plan.message_size.get()),
        reply: vec![0; plan.message_size.get() + 64],
        number: 0,
    };
    // The first operation shows whether the server can be measured at all.
    if let Err(kind) = client.operate() {
        return cannot_open(plan, kind);
    }
    let warm_until = Instant::now() + plan.warm_up;
    while Instant::now() < warm_until && !live.stops() {
        if client.operate().is_err() {
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
        let result = client.operate();
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
        client.source.closed_first();
    }
    Ok(tally.end(witness, 0, client.source.ports))
}
