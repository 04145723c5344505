//! Who watches a conversation: one line in the transcript for each event, and
//! with `--trace` one bar in the trace for each activity between two of them.
//!
//! The handler says what happens; what becomes of it is decided here.

// Time, and the address of a client.
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

// The clock of CPU time.
use nix::time::{ClockId, clock_gettime};

// Where it is written down.
use crate::Context;
use crate::console::log::{Event, Worker};
use crate::console::trace::{Nanos, now};

/// What is going on between a client and its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
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
    activity: Activity,
    /// Since when; 0 without a trace, which alone asks for it.
    since: Nanos,
}

impl Observer {
    /// Tells of a client that is served from now on.
    #[must_use]
    pub fn new(context: &Context, worker: Worker, client: SocketAddr) -> Self {
        // The client speaks first.
        let mut observer =
            Self { worker, client, activity: Activity::Waiting, since: 0 };
        // The first line, and the first moment of the trace.
        observer.record(context, &Event::Connected);
        // For the handler, which goes on from here.
        observer
    }

    /// Writes down what has happened to the client, wherever that is wanted.
    pub fn record(&mut self, context: &Context, event: &Event) {
        // For the trace the message has come now, and printing it takes time.
        if let Event::Received(_) = event {
            self.begin(context, Activity::Receiving);
        }
        // The line.
        context.log.print_event(self.worker, self.client, event);
        // What begins with this event.
        match event {
            // The reply, unless there is work to be done first.
            Event::Received(_) => self.begin(context, Activity::Sending),
            // The client's turn.
            Event::Sent(_) => self.begin(context, Activity::Waiting),
            // The two ends of a conversation are moments.
            Event::Connected | Event::Closed(_) | Event::Died(_) => {
                self.mark(context, event);
            }
        }
    }

    /// Ends what is going on, and begins this; a trace shows what has ended.
    pub fn begin(&mut self, context: &Context, activity: Activity) {
        // Off, it costs this one look.
        let Some(trace) = &context.trace else {
            return;
        };
        // Since the last time that anything happened.
        let (client, time) = (self.client, (self.since, now()));
        // What its worker does for one client stands in the worker's lane.
        // What it only waits for may overlap with other clients.
        match self.activity {
            // A thread waits as well, but shows it in the same way.
            Activity::Waiting => trace.pair("waiting", time, client),
            // Three that keep a worker busy: this one prints,
            Activity::Receiving => trace.slice("receiving", time, client),
            // this one computes,
            Activity::Working => trace.slice("working", time, client),
            // and this one may wait for a client that does not read.
            Activity::Sending => trace.slice("sending", time, client),
            // Its worker has others to look after meanwhile.
            Activity::Delayed => trace.pair("sending", time, client),
            // For a second at most.
            Activity::Closing => trace.pair("closing", time, client),
        }
        // No gap: the next one begins where this one has ended.
        self.since = time.1;
        self.activity = activity;
    }

    /// What is going on goes by this name, from its beginning.
    pub fn relabel(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// Shows the first or the last moment of a conversation in the trace.
    fn mark(&mut self, context: &Context, event: &Event) {
        // As above.
        let Some(trace) = &context.trace else {
            return;
        };
        // Only these two are moments, and not the end of a activity alone.
        match event {
            // The lane is named once more for each client: who opens the file
            // in the middle finds the name as well.
            Event::Connected => {
                trace.name(&self.worker.name());
                // Here its first wait begins.
                self.since = now();
                // No reason: it has just come.
                trace.instant("connected", self.since, self.client, None);
            }
            // Whatever it was waiting for.
            Event::Closed(ending) => {
                self.begin(context, Activity::Closing);
                // The same words as in the transcript.
                let reason = context.log.reason(ending);
                let reason = reason.as_deref();
                // Where its last activity has just ended.
                trace.instant("closed", self.since, self.client, reason);
            }
            // Others happen in between, or elsewhere.
            _ => {}
        }
    }

    /// Uses CPU time before a reply, as much as `--cpu-work` says.
    pub fn burn_cpu(&mut self, context: &Context) {
        let work = context.options.cpu_work;
        if work.is_zero() {
            return;
        }
        // The trace shows this as an activity of its own.
        self.relabel(Activity::Working);
        // The clock counts the CPU time of this thread only, so other threads on
        // the same processor do not shorten the work.
        let used = || {
            clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
                .map_or(Duration::MAX, Duration::from)
        };
        let end = used().saturating_add(work);
        while used() < end {
            // `black_box` keeps the compiler from removing a loop without effect.
            for number in 0..1000_u32 {
                black_box(number);
            }
        }
        self.begin(context, Activity::Sending);
    }
}
