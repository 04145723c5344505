//! Who watches a conversation: one line in the transcript for each event, and
//! with `--trace` one bar in the trace for each stage between two of them.
//!
//! The handler says what happens; what becomes of it is decided here.

// Who is watched.
use std::net::SocketAddr;

// Where it is written down.
use crate::Server;
use crate::trace::{Moment, now};
use crate::transcript::{Event, Worker};

/// What is going on between a client and its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The client has not sent its next message yet, or nobody has looked.
    Waiting,
    /// Its message is here, and being printed.
    Receiving,
    /// The processor is kept busy for it, see `--cpu-work`.
    Working,
    /// Its reply is handed to the kernel.
    Sending,
    /// The rest of its reply waits for room, while the loop serves others.
    Delayed,
    /// All is said but the client's end of file.
    Closing,
}

/// Watches the conversation of one client.
#[derive(Debug)]
pub struct Observer {
    /// Who serves it.
    worker: Worker,
    /// Who it is.
    client: SocketAddr,
    /// What is going on.
    stage: Stage,
    /// Since when; 0 without a trace, which alone asks for it.
    since: Moment,
}

impl Observer {
    /// Tells of a client that is served from now on.
    #[must_use]
    pub fn new(server: &Server, worker: Worker, client: SocketAddr) -> Self {
        // The client speaks first.
        let mut observer = Self {
            worker,
            client,
            stage: Stage::Waiting,
            since: 0,
        };
        observer.tell(server, &Event::Connected);
        observer
    }

    /// Tells of an event.
    pub fn tell(&mut self, server: &Server, event: &Event) {
        // For the trace the message has come now, and printing it takes time.
        if let Event::Received(_) = event {
            self.enter(server, Stage::Receiving);
        }
        // The line.
        server.transcript.say(self.worker, self.client, event);
        // What begins with this event.
        match event {
            // The reply, unless there is work to be done first.
            Event::Received(_) => self.enter(server, Stage::Sending),
            // The client's turn.
            Event::Sent(_) => self.enter(server, Stage::Waiting),
            // The two ends of a conversation are moments.
            Event::Connected | Event::Closed(_) | Event::Died(_) => {
                self.mark(server, event);
            }
        }
    }

    /// Ends what is going on, and begins this; a trace shows what has ended.
    pub fn enter(&mut self, server: &Server, stage: Stage) {
        // Off, it costs this one look.
        let Some(trace) = &server.trace else {
            return;
        };
        // Since the last time that anything happened.
        let (client, time) = (self.client, (self.since, now()));
        // What its worker does for one client stands in the worker's lane.
        // What it only waits for may overlap with other clients.
        match self.stage {
            Stage::Waiting => trace.pair("waiting", time, client),
            Stage::Receiving => trace.slice("receiving", time, client),
            Stage::Working => trace.slice("working", time, client),
            Stage::Sending => trace.slice("sending", time, client),
            Stage::Delayed => trace.pair("sending", time, client),
            Stage::Closing => trace.pair("closing", time, client),
        }
        // No gap: the next one begins where this one has ended.
        self.since = time.1;
        self.stage = stage;
    }

    /// What is going on goes by this name, from its beginning.
    pub fn rename(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Shows the first or the last moment of a conversation in the trace.
    fn mark(&mut self, server: &Server, event: &Event) {
        // As above.
        let Some(trace) = &server.trace else {
            return;
        };
        match event {
            // The lane is named once more for each client: who opens the file
            // in the middle finds the name as well.
            Event::Connected => {
                trace.name(&self.worker.name());
                self.since = now();
                trace.instant("connected", self.since, self.client, None);
            }
            // Whatever it was waiting for.
            Event::Closed(ending) => {
                self.enter(server, Stage::Closing);
                // The same words as in the transcript.
                let reason = server.transcript.reason(ending);
                let reason = reason.as_deref();
                trace.instant("closed", self.since, self.client, reason);
            }
            // Others happen in between, or elsewhere.
            _ => {}
        }
    }
}
