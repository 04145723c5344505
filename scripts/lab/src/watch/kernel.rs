//! What the kernel knows: threads and processes in `/proc`, and the sockets
//! of the server's port through `sock_diag(7)`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_LISTEN,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use nix::libc;
use nix::unistd::Pid;
use probe::proc::{threads, tree};
use procfs::process::{Process, Syscall};

use super::line::{Key, Worker, canonical};
use crate::procfs::{Memory, memory};

/// What a thread or process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// `R` runs, `S` sleeps, and so on: `proc_pid_stat(5)`.
    pub state: char,
    /// The system call that it waits in.
    pub call: Option<String>,
    /// The function of the kernel that it waits in.
    pub wchan: Option<String>,
}

/// What was read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// When the sample was taken.
    pub at: Duration,
    /// Clients in the accept queue, and its limit.
    pub queue: Option<(u32, u32)>,
    /// The clients in the accept queue.
    pub queued: Vec<SocketAddr>,
    /// Of each client that was accepted: the bytes that the server has not
    /// read yet, and those that the client's kernel has not acknowledged.
    pub buffers: HashMap<SocketAddr, (u32, u32)>,
    /// What the server holds.
    pub held: Held,
}

/// What a server holds over all of its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors.
    pub descriptors: Option<usize>,
    /// Memory, processes and threads.
    pub memory: Option<Memory>,
}

/// Reads `/proc` of one server.
#[derive(Debug)]
pub struct Sampler {
    root: Pid,
    /// The thread of each worker that was found.
    threads: HashMap<Worker, i32>,
}

impl Sampler {
    /// Of the server with this process id.
    pub fn new(root: Pid) -> Self {
        Self { root, threads: HashMap::new() }
    }

    /// What the tasks of these rows do. Those that have ended are left out.
    pub fn tasks(&mut self, rows: &[Key]) -> HashMap<Key, Task> {
        let lacks_name = |row: &Key| match row {
            Key::Worker(it @ (Worker::Thread(_) | Worker::LoopNumber(_))) => {
                !self.threads.contains_key(it)
            }
            _ => false,
        };
        if rows.iter().any(lacks_name) {
            self.find_threads();
        }
        let root = self.root.as_raw();
        rows.iter()
            .filter_map(|row| {
                let (pid, tid) = match row {
                    Key::Main | Key::Worker(Worker::Loop) => (root, root),
                    Key::Worker(Worker::Process(pid)) => (*pid, *pid),
                    Key::Worker(worker) => (root, *self.threads.get(worker)?),
                    Key::Client(_) | Key::Queue(_) => return None,
                };
                Some((*row, task(pid, tid)?))
            })
            .collect()
    }

    /// The workers that exist: threads by their names, child processes.
    pub fn workers(&mut self) -> Vec<Worker> {
        self.find_threads();
        let mut found: Vec<Worker> = self.threads.keys().copied().collect();
        found.sort_unstable();
        let children = tree(self.root).into_iter().skip(1);
        found.extend(children.map(|pid| Worker::Process(pid.as_raw())));
        found
    }

    /// Threads bear the names that the server prints.
    fn find_threads(&mut self) {
        let root = self.root.as_raw();
        for tid in threads(self.root) {
            let tid = tid.as_raw();
            if self.threads.values().any(|known| *known == tid) {
                continue;
            }
            let path = format!("/proc/{root}/task/{tid}/comm");
            let name = fs::read_to_string(path).unwrap_or_default();
            // A thread that was just created still has its parent's name.
            if let Some(worker) = Worker::parse(name.trim_end()) {
                self.threads.insert(worker, tid);
            }
        }
    }

    /// What the server holds, over all of its processes.
    pub fn held(&self) -> Held {
        let count =
            |pid: &Pid| Process::new(pid.as_raw()).ok()?.fd_count().ok();
        let tree = tree(self.root);
        let counts = tree.iter().filter_map(count);
        Held {
            descriptors: counts.reduce(|all, count| all + count),
            memory: memory(self.root).ok(),
        }
    }
}

fn task(pid: i32, tid: i32) -> Option<Task> {
    let task = Process::new(pid).ok()?.task_from_tid(tid).ok()?;
    let state = task.stat().ok()?.state;
    // Both files need the right to trace the server. The server's parent has
    // it, except in some containers.
    let call = match task.syscall() {
        Ok(Syscall::Blocked { syscall_number, .. }) => {
            Some(name_of_call(syscall_number))
        }
        _ => None,
    };
    let path = format!("/proc/{pid}/task/{tid}/wchan");
    let wchan = fs::read_to_string(path).ok();
    let wchan = wchan.filter(|wchan| !matches!(wchan.trim(), "" | "0"));
    Some(Task { state, call, wchan })
}

/// The calls that our servers wait in, by their numbers on this machine.
const CALLS: &[(libc::c_long, &str)] = &[
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_read, "read"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_write, "write"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "nanosleep"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
];

#[allow(clippy::useless_conversion, reason = "c_long may have 32 bits")]
fn name_of_call(number: i64) -> String {
    CALLS
        .iter()
        .find(|(call, _)| i64::from(*call) == number)
        .map_or_else(|| format!("call {number}"), |(_, name)| (*name).into())
}

/// A sample of the sockets of this port.
///
/// # Errors
///
/// When the kernel does not answer.
pub fn sockets(port: u16) -> Result<Sample> {
    let mut sample = Sample::default();
    for family in [AF_INET, AF_INET6] {
        dump(family, port, |socket| {
            let header = &socket.header;
            let id = &header.socket_id;
            let peer = (id.destination_address, id.destination_port).into();
            let peer = canonical(peer);
            let counts = (header.recv_queue, header.send_queue);
            if header.state == TCP_LISTEN {
                sample.queue = Some(counts);
            } else if header.inode != 0 {
                sample.buffers.insert(peer, counts);
            } else if [TCP_ESTABLISHED, TCP_CLOSE_WAIT].contains(&header.state)
            {
                // Without a descriptor, and not closed: not accepted.
                sample.queued.push(peer);
            }
        })?;
    }
    Ok(sample)
}

/// Asks the kernel for all TCP sockets of a port, but for those in
/// `TIME_WAIT`, of which there may be very many.
fn dump(
    family: u8,
    port: u16,
    mut found: impl FnMut(&InetResponse),
) -> Result<()> {
    let mut socket =
        Socket::new(NETLINK_SOCK_DIAG).context("opening sock_diag")?;
    socket.bind_auto().context("binding sock_diag")?;
    let mut id =
        if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    id.source_port = port;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all() - StateFlags::TIME_WAIT,
        socket_id: id,
    };
    let request = SockDiagMessage::InetRequest(request);
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).context("asking sock_diag")?;
    loop {
        // A datagram holds several answers.
        let (bytes, _) = socket.recv_from_full().context("sock_diag")?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .context("reading sock_diag")?;
            match answer.payload {
                NetlinkPayload::InnerMessage(
                    SockDiagMessage::InetResponse(socket),
                ) => found(&socket),
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => {
                    return Err(io::Error::from(error))
                        .context("sock_diag refuses");
                }
                _ => {}
            }
            let length = answer.header.length as usize;
            ensure!(length > 0, "sock_diag: an answer without a length");
            // Each answer is padded to four bytes.
            let padded = length.next_multiple_of(4);
            rest = rest.get(padded..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernel_tells_who_is_queued_and_what_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let second = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_accepted, client) = listener.accept().unwrap();
        assert_eq!(client, first.local_addr().unwrap());
        first.write_all(b"hola\n").unwrap();
        let sample = sockets(port).unwrap();
        let (waiting, limit) = sample.queue.unwrap();
        assert_eq!(waiting, 1);
        assert!(limit >= 1);
        assert_eq!(sample.queued, [second.local_addr().unwrap()]);
        assert_eq!(sample.buffers[&client].0, 5);
        // The other end of each connection is on this machine too, and is not
        // the server's.
        assert_eq!(sample.buffers.len(), 1);
        // One that the server has closed is in no queue, be it that the client
        // has not closed.
        drop(listener.accept().unwrap());
        assert!(sockets(port).unwrap().queued.is_empty());
    }

    #[test]
    fn a_thread_that_waits_is_found_by_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::Builder::new()
            .name("thread 7".to_owned())
            .spawn(move || drop(listener.accept()))
            .unwrap();
        let mut sampler = Sampler::new(Pid::this());
        let key = Key::Worker(Worker::Thread(7));
        // It has to arrive there first.
        let task = loop {
            let task = sampler.tasks(&[Key::Main, key]).remove(&key);
            if let Some(task) = task
                && task.state == 'S'
            {
                break task;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if let Some(call) = task.call {
            assert!(call.starts_with("accept"), "{call}");
        }
        assert!(sampler.workers().contains(&Worker::Thread(7)));
        let held = sampler.held();
        assert!(held.descriptors.unwrap() > 3);
        assert!(held.memory.unwrap().threads > 1);
        drop(TcpStream::connect(address).unwrap());
        thread.join().unwrap();
    }
}
