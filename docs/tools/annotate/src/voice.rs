//! Words whose meaning a class must guess, and names that are not terms of the
//! field.

/// Subjects that name nothing, and filler, in comments.
const WORDS: &[&str] = &["whoever", "whomever", "nobody", "somebody"];

/// Sentences that say nothing.
const FILLER: &[&str] = &[
    "everything has gone as it should",
    "likewise.",
    "nor here.",
    "no flag.",
    "the first of the two.",
];

/// Identifiers that are metaphors or riddles, and what to write instead.
const NAMES: &[(&str, &str)] = &[
    ("again", "retry_on_eintr"),
    ("announce", "print_listening"),
    ("answers", "events"),
    ("asked", "poll_fds"),
    ("bear", "retry_or_fail"),
    ("blame", "classify_accept_error"),
    ("Blame", "AcceptError"),
    ("complain", "print_error"),
    ("Conversation", "the straight handler"),
    ("demand", "next_shutdown"),
    ("dismiss", "stop_accepting"),
    ("door", "listener"),
    ("due", "advance"),
    ("enter", "insert"),
    ("give_back", "clear_current_client"),
    ("hush", "drain_signal_pipe"),
    ("is_door", "is_listener"),
    ("is_news", "should_report"),
    ("keep", "defer"),
    ("kept", "deferred, pending_message"),
    ("lane", "pid_tid"),
    ("LAST_WORD", "CLEANUP_LIMIT"),
    ("leave_unnamed", "remove_vanished"),
    ("micro", "format_micros"),
    ("mind_door", "update_listener_interest"),
    ("mistake", "fatal_error"),
    ("Moment", "Nanos"),
    ("most", "client_limit"),
    ("obey", "install_dismissal"),
    ("overdue", "on_deadline"),
    ("place", "index_of"),
    ("Place", "ClientGuard"),
    ("poke", "write_wake_byte"),
    ("proceed", "on_ready"),
    ("Readiness", "Poller"),
    ("room", "poll_fds"),
    ("ROOM", "INITIAL_CAPACITY"),
    ("say", "print_event"),
    ("settle", "wait_for_acknowledgements"),
    ("since", "last_activity"),
    ("spare", "a plain description"),
    ("spared", "a plain description"),
    ("Spells", "ErrorThrottle"),
    ("SPELL_GAP", "REPORT_GAP"),
    ("taken", "active_clients"),
    ("tell", "record"),
    ("Trouble", "TransientError"),
    ("work", "burn_cpu, run_child, worker_loop"),
];

/// The words of a comment's line that must be replaced by plain ones.
pub fn riddles(comment: &str) -> impl Iterator<Item = String> {
    let text = comment.to_lowercase();
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    let subjects = WORDS
        .iter()
        .filter(move |word| words.iter().any(|other| other == *word))
        .map(|word| {
            format!("`{word}` leaves the class to guess: name the subject")
        });
    let filler = FILLER
        .iter()
        .filter(move |words| text.contains(*words))
        .map(|words| format!("`{words}` says nothing"));
    subjects.chain(filler)
}

/// The name to write instead of an identifier, if it is one to avoid.
pub fn plain_name(identifier: &str) -> Option<&'static str> {
    let mut names = NAMES.iter();
    let (_, plain) = names.find(|(name, _)| *name == identifier)?;
    Some(plain)
}
