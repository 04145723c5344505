//! Observes the conversation with one client: one line of the log for each
//! event, and with `--trace` one bar of the trace for each activity between
//! two events.
//!
//! The handler says what happens; this file decides what is written.

// CPU time, and the address of a client.
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

// The clock of CPU time.
use nix::time::{ClockId, clock_gettime};

// Where the events are written.
use crate::Context;
use crate::console::log::{Event, Worker};
use crate::console::trace::{Nanos, now};

/// What is going on between a client and its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The server waits for the next message of the client.
    Waiting,
    /// The message has been received, and is being printed.
    Receiving,
    /// The worker uses CPU time for the message, see `--cpu-work`.
    Working,
    /// The reply is handed to the kernel.
    Sending,
    /// The rest of the reply waits until the kernel can take more of it,
    /// while the loop serves other clients.
    Delayed,
    /// The server waits for the end of file of the client alone.
    Closing,
}

/// Observes the conversation with one client.
#[derive(Debug)]
pub struct Observer {
    /// The worker that serves the client.
    worker: Worker,
    /// The client.
    client: SocketAddr,
    /// What is going on.
    activity: Activity,
    /// When it began; 0 without a trace, which alone needs it.
    activity_start: Nanos,
}

impl Observer {
    /// Records that a client is served from now on.
    pub fn new(context: &Context, worker: Worker, client: SocketAddr) -> Self {
        // The client speaks first.
        let activity = Activity::Waiting;
        let mut observer = Self { worker, client, activity, activity_start: 0 };
        observer.record(context, &Event::Connected);
        observer
    }

    /// Prints what has happened to the client, and writes it to the trace.
    pub fn record(&mut self, context: &Context, event: &Event) {
        // Printing the message takes time, so the trace shows it as an
        // activity of its own.
        if let Event::Received(_) = event {
            self.begin(context, Activity::Receiving);
        }
        context.log.print_event(self.worker, self.client, event);
        // The event ends one activity and begins the next.
        match event {
            // `burn_cpu` turns this into `Working`, if there is any.
            Event::Received(_) => self.begin(context, Activity::Sending),
            // The next message is the client's turn.
            Event::Sent(_) => self.begin(context, Activity::Waiting),
            // The two ends of a conversation are moments without a length.
            Event::Connected | Event::Closed(_) | Event::Died(_) => {
                self.mark(context, event);
            }
        }
    }

    /// Ends the present activity, which the trace shows now, and begins this.
    pub fn begin(&mut self, context: &Context, activity: Activity) {
        // Without a trace this is all that it costs.
        let Some(trace) = &context.trace else {
            return;
        };
        // What a worker does for one client alone is a slice of its lane.
        // What a client only waits for may overlap with others: it is a pair.
        let (client, time) = (self.client, (self.activity_start, now()));
        match self.activity {
            // A loop serves other clients meanwhile.
            Activity::Waiting => trace.pair("waiting", time, client),
            // The worker prints.
            Activity::Receiving => trace.slice("receiving", time, client),
            // The worker computes.
            Activity::Working => trace.slice("working", time, client),
            // The worker copies the reply to the kernel, or waits until the
            // kernel can take more of it.
            Activity::Sending => trace.slice("sending", time, client),
            // The loop serves other clients meanwhile.
            Activity::Delayed => trace.pair("sending", time, client),
            // This takes a second at most.
            Activity::Closing => trace.pair("closing", time, client),
        }
        // The next activity begins where this one has ended, without a gap.
        self.activity_start = time.1;
        self.activity = activity;
    }

    /// Gives the present activity this name, from its beginning.
    pub fn relabel(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// Shows the first or the last moment of a conversation in the trace.
    fn mark(&mut self, context: &Context, event: &Event) {
        // Without a trace there is nothing to show.
        let Some(trace) = &context.trace else {
            return;
        };
        match event {
            // Each client has the lane named again: a program that opens the
            // file in the middle finds the name as well.
            Event::Connected => {
                trace.name(&self.worker.name());
                let moment = now();
                self.activity_start = moment;
                // The first wait of the conversation begins here.
                trace.instant("connected", moment, self.client, None);
            }
            // The trace has the reason in the words of the log.
            Event::Closed(ending) => {
                self.begin(context, Activity::Closing);
                let reason = context.log.reason(ending);
                let reason = reason.as_deref();
                // The last activity has ended at this moment.
                let moment = self.activity_start;
                trace.instant("closed", moment, self.client, reason);
            }
            // The other events are no moments; `record` ends activities there.
            _ => {}
        }
    }

    /// Uses CPU time before a reply, as much as `--cpu-work` says.
    pub fn burn_cpu(&mut self, context: &Context) {
        let amount = context.options.cpu_work;
        if amount.is_zero() {
            return;
        }
        // The trace shows this as an activity of its own.
        self.relabel(Activity::Working);
        // The clock counts the CPU time of this thread only, so other threads
        // on the same processor do not shorten the amount.
        let used = || {
            clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
                .map_or(Duration::MAX, Duration::from)
        };
        // The clock is read once for a thousand steps of the inner loop.
        let end = used().saturating_add(amount);
        while used() < end {
            // `black_box` keeps the compiler from removing a loop that has no
            // effect.
            for number in 0..1000_u32 {
                black_box(number);
            }
        }
        // From here on the reply is sent.
        self.begin(context, Activity::Sending);
    }
}
