//! Four clients for a teacher alone: a slow one, a fast one, one whose
//! messages take long to compute, and a short one; again and again.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use probe::wait::within;
use strum::IntoStaticStr;

use super::options::Options;

/// Processor time that each message costs, microseconds: long enough to be
/// seen from the last row of a classroom.
const WORK: &str = "600000";
/// How long after the one before it a client connects.
const APART: Duration = Duration::from_millis(500);
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(3);
/// A client that waits for so long gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// It connects, and sends much later.
    Slow,
    /// It sends one message after the other.
    Fast,
    /// It sends as much at once as the server takes in three messages.
    Computing,
    /// It sends one message and goes.
    Short,
}

impl Role {
    /// In the order in which they connect.
    pub const ALL: [Self; 4] =
        [Self::Slow, Self::Fast, Self::Computing, Self::Short];
}

#[derive(Debug, Default)]
struct State {
    target: Option<SocketAddr>,
    roles: HashMap<SocketAddr, Role>,
}

/// The clients, played by threads of their own until the program ends; none
/// where nothing is played.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Mutex<State>>);

impl Script {
    /// What the server has to be told so that something is to be seen, unless
    /// the user has told it otherwise.
    pub fn prepare(options: &mut Options) {
        options.default_to("--serve", "until-eof");
        options.default_to("--cpu-work", WORK);
    }

    /// Begins to play, as soon as there is a server.
    pub fn play() -> Self {
        let script = Self::default();
        let playing = script.clone();
        thread::spawn(move || {
            loop {
                let target = playing.state().target;
                if let Some(target) = target {
                    playing.round(target);
                    // The pause ends early when another server is shown: its
                    // clients then come at once.
                    let is_other = || playing.state().target != Some(target);
                    within(PAUSE, || is_other().then_some(()));
                } else {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        script
    }

    /// What a thread that has panicked has left is still good enough to play.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the clients of the next round connect; nowhere while a server
    /// stops.
    pub fn aim(&self, target: Option<SocketAddr>) {
        self.state().target = target.map(on_this_machine);
    }

    /// The address of each client that was played lately.
    pub fn roles(&self) -> HashMap<SocketAddr, Role> {
        self.state().roles.clone()
    }

    fn round(&self, target: SocketAddr) {
        thread::scope(|scope| {
            for role in Role::ALL {
                // A server that stops refuses or closes: the round goes on.
                if let Ok(stream) = self.connect(target, role) {
                    scope.spawn(move || talk(stream, role));
                }
                thread::sleep(APART);
            }
        });
    }

    fn connect(
        &self,
        target: SocketAddr,
        role: Role,
    ) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let roles = &mut self.state().roles;
        // A port that was used long ago may belong to another client by now.
        if roles.len() >= 40 {
            roles.clear();
        }
        roles.insert(stream.local_addr()?, role);
        Ok(stream)
    }
}

/// The address of a server that listens on all, seen from this machine.
fn on_this_machine(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What one client does. With `--serve once` the server closes early.
fn talk(mut stream: TcpStream, role: Role) -> Option<()> {
    let mut reply = [0; 1024];
    let mut exchange = |message: &[u8]| {
        stream.write_all(message).ok()?;
        let mut left = message.len();
        while left > 0 {
            let size = stream.read(&mut reply).ok()?;
            left = left.checked_sub(size).filter(|_| size > 0)?;
        }
        Some(())
    };
    match role {
        Role::Slow => {
            thread::sleep(Duration::from_secs(5));
            exchange("¡por fin!\n".as_bytes())?;
        }
        Role::Fast => {
            for message in ["uno\n", "dos\n", "tres\n"] {
                exchange(message.as_bytes())?;
            }
        }
        Role::Computing => exchange(&[b'.'; 3 * 1024])?,
        Role::Short => exchange(b"hola\n")?,
    }
    stream.shutdown(Shutdown::Write).ok()?;
    stream.read_to_end(&mut Vec::new()).ok()?;
    Some(())
}
