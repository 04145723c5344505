//! One connection in a closed loop, with blocking calls: the least that a
//! client can do, so that the rest of the time is the server's.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use super::many::thread_cpu_time;
use super::{
    Ending, ErrorKind, Errors, Limit, Live, Message, Outcome, Plan, Shape,
    Source, Witness, cannot_open, nanoseconds, new_histogram,
};

/// How often others are told, in operations.
const PUBLISH_EVERY: u64 = 512;

struct Client<'plan> {
    plan: &'plan Plan,
    source: Source,
    message: Message,
    reply: Vec<u8>,
    number: u64,
}

impl Client<'_> {
    fn connect(&mut self) -> Result<TcpStream, ErrorKind> {
        let address = self.plan.target.address();
        let connect = |source: &Source| -> io::Result<TcpStream> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, None)?;
            if let Some(local) = source.bind_to() {
                socket.bind(&local.into())?;
            }
            socket.connect(&address.into())?;
            Ok(socket.into())
        };
        let mut connected = connect(&self.source);
        while let Err(error) = &connected {
            let kind = ErrorKind::of(error);
            if kind != ErrorKind::NoPort || self.source.ports.exhausted > 9 {
                return Err(kind);
            }
            self.source.exhausted();
            connected = connect(&self.source);
        }
        let stream = connected.map_err(|error| ErrorKind::of(&error))?;
        stream
            .set_read_timeout(Some(self.plan.timeout))
            .and_then(|()| stream.set_write_timeout(Some(self.plan.timeout)))
            .map_err(|error| ErrorKind::of(&error))?;
        Ok(stream)
    }

    /// Sends one message and verifies its reply.
    fn round_trip(&mut self, stream: &TcpStream) -> Result<(), ErrorKind> {
        let mut stream = stream;
        self.number += 1;
        let message = self.message.numbered(self.number);
        stream.write_all(message).map_err(|error| ErrorKind::of(&error))?;
        let mut received = 0;
        while received < message.len() {
            // The buffer is longer than the reply, to catch what is too much.
            let size = match stream.read(&mut self.reply[received..]) {
                Ok(0) => return Err(ErrorKind::Truncated),
                Ok(size) => size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    continue;
                }
                Err(error) => return Err(ErrorKind::of(&error)),
            };
            received += size;
        }
        if received > message.len() {
            return Err(ErrorKind::Excess);
        }
        if self.reply[..received] != *message {
            return Err(ErrorKind::Wrong);
        }
        Ok(())
    }

    /// Connects, has one message answered, and sees the end.
    fn exchange(&mut self, ending: Ending) -> Result<(), ErrorKind> {
        let mut stream = self.connect()?;
        self.round_trip(&stream)?;
        if ending == Ending::Client {
            stream
                .shutdown(Shutdown::Write)
                .map_err(|error| ErrorKind::of(&error))?;
            self.source.closed_first();
        }
        match stream.read(&mut self.reply) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ErrorKind::Excess),
            Err(error) => Err(match ErrorKind::of(&error) {
                ErrorKind::TimedOut => ErrorKind::NotClosed,
                other => other,
            }),
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
        message: Message::new(plan.message_size.get()),
        reply: vec![0; plan.message_size.get() + 64],
        number: 0,
    };
    let mut staying = match plan.shape {
        Shape::Exchange(_) => None,
        Shape::Echo => match client.connect() {
            Ok(stream) => Some(stream),
            Err(kind) => return cannot_open(plan, kind),
        },
    };
    let mut operate = |client: &mut Client<'_>| match plan.shape {
        Shape::Exchange(ending) => client.exchange(ending),
        Shape::Echo => {
            let stream = match staying.take() {
                Some(stream) => stream,
                None => client.connect()?,
            };
            client.round_trip(&stream)?;
            staying = Some(stream);
            Ok(())
        }
    };

    // The first operation shows whether the server can be measured at all.
    if let Err(kind) = operate(&mut client) {
        return cannot_open(plan, kind);
    }
    let warm_until = Instant::now() + plan.warm_up;
    while Instant::now() < warm_until && !live.stops() {
        if operate(&mut client).is_err() {
            break; // counted below, when it happens again
        }
    }

    let mut latency = new_histogram();
    let mut recent = new_histogram();
    let mut errors = Errors::default();
    let mut completed = 0;
    let (limit, most) = match plan.limit {
        Limit::Time(time) => (time, u64::MAX),
        Limit::Count(count) => (super::LONGEST, count),
    };
    live.counting.store(true, Ordering::Relaxed);
    witness.begins();
    let cpu_before = thread_cpu_time();
    let start = Instant::now();
    let mut now = start;
    let mut done = 0;
    while now - start < limit && done < most && !live.stops() {
        let result = operate(&mut client);
        let end = Instant::now();
        match result {
            Ok(()) => {
                completed += 1;
                let took = nanoseconds(end - now);
                latency.saturating_record(took);
                recent.saturating_record(took);
                live.completed.store(completed, Ordering::Relaxed);
            }
            Err(kind) => {
                errors.count(kind);
                live.errors.fetch_add(1, Ordering::Relaxed);
                if kind == ErrorKind::Refused {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        done += 1;
        if done % PUBLISH_EVERY == 0 {
            live.publish(&mut recent);
        }
        now = end;
    }
    let elapsed = now - start;
    let client_cpu = thread_cpu_time().saturating_sub(cpu_before);
    witness.ends();
    if plan.shape == Shape::Echo {
        client.source.closed_first();
    }
    Ok(Outcome {
        completed,
        elapsed,
        latency,
        errors,
        unfinished: 0,
        client_cpu,
        client_share: client_cpu.as_secs_f64()
            / elapsed.as_secs_f64().max(1e-9),
        ports: client.source.ports,
    })
}
