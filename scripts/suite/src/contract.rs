//! The contract: every promise, and the cases that test it.
//!
//! A promise without a case fails this crate's tests, as does a case that no
//! promise needs. Most cases are the black-box ones of this crate; a name
//! like `unit:echo::…` stands for a unit test in `common/src/echo.rs`, and
//! `unit:threads-server/clients::…` for one in that server's `src`.

/// One promise.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// What the servers do, in short.
    pub text: &'static str,
    /// The names of the cases that would notice if they did not.
    pub cases: &'static [&'static str],
}

/// Promises about one matter.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The matter.
    pub title: &'static str,
    /// What is promised about it.
    pub promises: &'static [Promise],
}

const fn promise(
    text: &'static str,
    cases: &'static [&'static str],
) -> Promise {
    Promise { text, cases }
}

/// All that the three servers promise, as far as they do it by now.
pub const CONTRACT: &[Section] = &[
    Section {
        title: "The approaches",
        promises: &[
            promise(
                "a thread, a process, or nothing is created for a connection",
                &["each_connection_gets_what_the_approach_creates"],
            ),
            promise(
                "a client that is silent or slow delays no other",
                &[
                    "silent_clients_delay_nobody",
                    "a_client_that_does_not_read_is_not_read_from",
                ],
            ),
            promise(
                "the totals are exact, with many clients at a time too",
                &["lines_of_many_clients_are_whole_and_the_totals_exact"],
            ),
            promise(
                "the totals of the others are exact after a child's crash",
                &["a_child_that_dies_is_reported_and_harms_nobody"],
            ),
        ],
    },
    Section {
        title: "One exchange",
        promises: &[
            promise(
                "connect, receive, send, close are printed in this order",
                &["an_exchange_is_printed_word_for_word"],
            ),
            promise(
                "one receive takes at most 1024 bytes",
                &["one_receive_takes_at_most_1024_bytes"],
            ),
            promise(
                "all of a reply is sent, in pieces if need be",
                &[
                    "a_reply_is_sent_whole_to_a_slow_reader",
                    "no_reply_is_held_back",
                ],
            ),
            promise(
                "served once: the server closes after one exchange",
                &[
                    "once_serves_one_exchange_and_closes",
                    "unit:echo::once_is_one_message_its_reply_and_a_lossless_close",
                ],
            ),
            promise(
                "served until the end: the client closes",
                &[
                    "until_eof_serves_until_the_client_has_ended",
                    "unit:echo::until_eof_ends_with_the_client_and_needs_no_draining",
                ],
            ),
            promise(
                "threads and processes serve once, multiplexing to the end",
                &["the_default_of_serve_is_the_originals"],
            ),
            promise(
                "a client that sends nothing gets nothing",
                &[
                    "a_client_that_says_nothing_gets_nothing",
                    "unit:echo::a_client_without_a_message_gets_no_reply",
                ],
            ),
            promise(
                "nothing is lost at the close, whatever was not read",
                &[
                    "unread_input_does_not_reset_the_reply",
                    "input_after_the_reply_does_not_reset_it",
                    "a_stop_during_the_last_reading_resets_nobody",
                    "a_stop_before_the_last_reply_resets_nobody",
                ],
            ),
            promise(
                "what is left is read for at most a second",
                &["the_last_reading_ends_after_a_second"],
            ),
            promise(
                "what is dropped at the close does not count as received",
                &["what_is_dropped_at_the_close_is_not_counted"],
            ),
            promise(
                "nobody else waits while what is left is read",
                &[
                    "nobody_waits_while_what_is_left_is_read",
                    "a_client_that_has_ended_gives_its_place_at_once",
                ],
            ),
            promise(
                "a client that half-closes gets every byte",
                &["a_half_closed_client_gets_every_byte"],
            ),
            promise(
                "a client that does not read is not read from",
                &["a_client_that_does_not_read_is_not_read_from"],
            ),
            promise(
                "the echo is the bytes received, unchanged",
                &[
                    "echo_returns_the_bytes_unchanged",
                    "unit:echo::whatever_the_pieces_the_echo_is_what_was_sent",
                ],
            ),
            promise(
                "the greeting is a valid HTTP response with its fields",
                &[
                    "the_greeting_is_a_valid_response",
                    "a_long_request_gets_its_greeting",
                    "unit:constants::the_greeting_announces_the_length_of_its_body",
                ],
            ),
            promise("curl shows the greeting", &["curl_shows_the_greeting"]),
            promise(
                "after a greeting the server closes, however it serves",
                &["after_a_greeting_the_server_closes"],
            ),
        ],
    },
    Section {
        title: "Command line",
        promises: &[
            promise(
                "--host is 127.0.0.1 by default: this machine alone",
                &["by_default_only_this_machine_is_served"],
            ),
            promise("--host takes a name", &["a_host_may_be_a_name"]),
            promise(
                "--host 0.0.0.0 takes clients at every address",
                &["any_address_takes_clients_of_all"],
            ),
            promise(
                "--host :: takes IPv6 and IPv4",
                &["dual_stack_prints_ipv4_clients_as_such"],
            ),
            promise("an IPv6 address is served", &["ipv6_is_served"]),
            promise("-p and --port choose a port", &["a_port_can_be_chosen"]),
            promise("--port is 8080 by default", &["the_default_port_is_8080"]),
            promise(
                "--port 0 takes any free one, which the first line tells",
                &["by_default_only_this_machine_is_served"],
            ),
            promise(
                "--serve takes once and until-eof",
                &[
                    "once_serves_one_exchange_and_closes",
                    "until_eof_serves_until_the_client_has_ended",
                ],
            ),
            promise(
                "--reply takes echo, the default, and greeting",
                &[
                    "echo_returns_the_bytes_unchanged",
                    "the_greeting_is_a_valid_response",
                ],
            ),
            promise(
                "--max-clients is 1024 by default",
                &["by_default_1024_are_served_at_a_time"],
            ),
            promise(
                "beyond --max-clients they wait and are served, none dropped",
                &[
                    "beyond_the_limit_clients_wait_and_are_served_later",
                    "as_many_as_the_limit_are_served_at_a_time",
                ],
            ),
            promise(
                "the queue holds 1024: no client of a burst waits to connect",
                &[
                    "a_thousand_clients_wait_in_the_queue",
                    "a_burst_of_hundreds_is_served",
                ],
            ),
            promise(
                "--idle-timeout closes those that neither send nor receive",
                &[
                    "a_silent_client_is_closed",
                    "a_client_that_takes_no_reply_is_closed",
                ],
            ),
            promise(
                "--idle-timeout closes no other",
                &[
                    "a_client_that_does_something_is_not_idle",
                    "a_client_that_takes_its_reply_slowly_is_not_idle",
                ],
            ),
            promise(
                "a late server asks the kernel before the clock",
                &[
                    "a_client_whose_message_waits_is_not_idle",
                    "what_came_while_the_server_was_suspended_counts",
                ],
            ),
            promise(
                "a client that takes its reply is not idle, however slowly",
                &[
                    "a_client_that_takes_less_than_the_kernel_reports_is_not_idle",
                ],
            ),
            promise(
                "the place of a client that was idle is given on",
                &["the_place_of_an_idle_client_is_given_on"],
            ),
            promise(
                "--idle-timeout is 300 by default; 0 is never",
                &[
                    "an_idle_timeout_of_0_is_never",
                    "help_names_every_option_and_its_default",
                    "unit:common/console/options::the_defaults_are_those_of_the_table",
                ],
            ),
            promise(
                "--grace is 5 by default",
                &["the_grace_is_5_seconds_by_default"],
            ),
            promise(
                "--grace bounds how long a stop takes",
                &[
                    "a_slow_reader_is_cut_after_the_grace",
                    "a_grace_of_0_cuts_at_once",
                ],
            ),
            promise(
                "--backend chooses select, poll (the default) or epoll",
                &["the_backend_asked_for_is_used"],
            ),
            promise(
                "--backend is refused by the two others",
                &["the_backend_is_of_multiplexing_alone"],
            ),
            promise(
                "--language is en or es",
                &["the_language_asked_for_wins_over_the_locale"],
            ),
            promise(
                "else LC_ALL, LC_MESSAGES, LANG decide; else English",
                &[
                    "the_locale_decides_the_language",
                    "unit:common/console/language::the_locale_variables_are_asked_in_the_order_of_posix",
                ],
            ),
            promise(
                "--quiet prints only the first and the last line",
                &["quiet_prints_the_first_and_the_last_line"],
            ),
            promise(
                "--help names all options",
                &["help_names_every_option_and_its_default"],
            ),
            promise("--version tells the version", &["version_is_told"]),
            promise(
                "--help fits the terminal's width and ends in three examples",
                &[
                    "the_help_fits_the_terminal",
                    "unit:common/console/options::the_help_fits_its_width_and_ends_in_three_examples",
                ],
            ),
            promise(
                "an error names the environment variable that was wrong",
                &["a_wrong_variable_is_named"],
            ),
            promise(
                "an empty environment variable is as none",
                &["an_empty_variable_is_as_none"],
            ),
            promise(
                "--host without an address says what is missing",
                &["an_empty_host_says_what_is_missing"],
            ),
            promise(
                "--color auto, always or never; NO_COLOR",
                &[
                    "each_worker_has_its_colour_on_a_terminal",
                    "unit:common/console/options::colour_is_for_terminals_unless_asked_for",
                ],
            ),
            promise(
                "the Spanish help and errors are Spanish to the end",
                &[
                    "the_spanish_command_line_is_spanish_to_the_end",
                    "unit:common/console/options::the_spanish_help_is_spanish_to_the_end",
                ],
            ),
            promise(
                "each option has its variable ECHO_…",
                &[
                    "every_option_has_its_variable",
                    "timeouts_and_limits_have_their_variables",
                    "the_backend_asked_for_is_used",
                ],
            ),
            promise(
                "the command line wins over a variable",
                &["the_command_line_wins"],
            ),
            promise(
                "--max-clients 0 is refused",
                &["what_it_cannot_take_is_a_usage_error"],
            ),
        ],
    },
    Section {
        title: "Exit status",
        promises: &[
            promise(
                "0 after an orderly stop",
                &["a_stop_without_clients_is_clean"],
            ),
            promise(
                "1 and one line that helps: the port is in use",
                &[
                    "a_port_in_use_is_told",
                    "a_second_server_on_the_same_port_fails",
                    "unit:common/console/errors::a_failure_says_what_why_and_what_to_try",
                ],
            ),
            promise(
                "the same: a port below 1024 without the right",
                &["a_port_without_the_right_is_told"],
            ),
            promise(
                "the same: an address of another machine",
                &["an_address_of_another_machine_is_told"],
            ),
            promise("the same: no such name", &["an_unknown_name_is_told"]),
            promise(
                "2 for a command line it cannot take",
                &[
                    "what_it_cannot_take_is_a_usage_error",
                    "a_wrong_variable_is_a_usage_error",
                    "the_backend_is_of_multiplexing_alone",
                ],
            ),
            promise(
                "130 after a second signal while it stops",
                &["a_second_signal_ends_it_with_130"],
            ),
        ],
    },
    Section {
        title: "Workers",
        promises: &[
            promise(
                "--workers N: they exist before the first client",
                &["the_workers_exist_before_the_first_client"],
            ),
            promise(
                "each accepts and serves in turn; nothing is created for a \
                 client",
                &["the_workers_serve_in_turn_and_no_others_come"],
            ),
            promise(
                "N of 0 is refused",
                &["no_workers_at_all_are_a_usage_error"],
            ),
            promise(
                "ECHO_WORKERS",
                &["the_number_of_workers_has_its_variable"],
            ),
            promise(
                "threads, processes: N are served at a time, whatever \
                 --max-clients says",
                &["as_many_are_served_as_there_are_workers"],
            ),
            promise(
                "loops: --max-clients holds for all together",
                &["the_limit_holds_for_all_loops_together"],
            ),
            promise(
                "a worker process that dies is replaced, and what it had \
                 served stays in the totals",
                &["a_dead_worker_is_replaced_and_what_it_served_stays"],
            ),
            promise(
                "a thread of a pool that panics serves on",
                &["a_panic_is_told_and_harms_nobody_else"],
            ),
            promise(
                "workers without a client end within 3 s when the \
                 process-server is killed",
                &["workers_without_a_client_end_soon_after_a_killed_server"],
            ),
        ],
    },
    Section {
        title: "Work and trace",
        promises: &[
            promise(
                "--cpu-work: so much processor time for each message, before \
                 its reply",
                &["work_is_done_for_each_message_before_its_reply"],
            ),
            promise(
                "0 is the default, and costs nothing",
                &["without_work_a_message_costs_next_to_nothing"],
            ),
            promise(
                "ECHO_CPU_WORK and ECHO_TRACE",
                &["work_has_its_variable", "the_trace_has_its_variable"],
            ),
            promise(
                "what is no number of microseconds is refused",
                &["impossible_work_is_a_usage_error"],
            ),
            promise(
                "--trace: one [ and then a line of JSON for each event, whole \
                 from many threads and processes at once",
                &["lines_of_many_clients_in_a_trace_are_whole"],
            ),
            promise(
                "the stages of each client, in order, by one clock",
                &[
                    "the_trace_shows_the_stages_of_each_client_in_order",
                    "the_work_before_a_reply_is_a_stage_of_the_trace",
                    "a_reply_that_waits_is_shown_until_it_is_taken",
                    "the_reason_of_an_end_is_in_the_trace",
                ],
            ),
            promise(
                "pid and tid are the real ones, and each lane has its name",
                &["the_lanes_of_a_trace_are_the_real_ones"],
            ),
            promise(
                "a file that exists is appended to",
                &["a_second_run_goes_on_in_the_same_trace"],
            ),
            promise(
                "a trace that cannot be opened: exit status 1, one line",
                &["a_trace_that_cannot_be_opened_prevents_the_start"],
            ),
            promise(
                "a trace that cannot be written costs the trace alone",
                &["a_trace_that_cannot_be_written_stops_nothing"],
            ),
            promise(
                "servers that share a trace write one [ together, also when \
                 they start at once, and in an empty file",
                &["servers_started_at_once_begin_a_trace_once"],
            ),
            promise(
                "a trace that was cut while it is written is begun anew",
                &["a_trace_that_was_cut_is_begun_anew"],
            ),
        ],
    },
    Section {
        title: "What is printed",
        promises: &[
            promise(
                "every line has its exact words and columns",
                &["an_exchange_is_printed_word_for_word"],
            ),
            promise(
                "a line is never torn",
                &["lines_of_many_clients_are_whole_and_the_totals_exact"],
            ),
            promise(
                "a line comes at once, into a file too",
                &["a_line_comes_at_once_into_a_file"],
            ),
            promise(
                "the first column says who served",
                &[
                    "the_first_column_says_who_served",
                    "each_connection_gets_what_the_approach_creates",
                    "unit:common/console/log::the_worker_comes_first_and_an_ipv4_client_looks_like_one",
                ],
            ),
            promise(
                "the first line comes when clients are accepted, with the \
                 real port",
                &[
                    "nobody_is_served_before_the_first_line",
                    "by_default_only_this_machine_is_served",
                    "an_exchange_is_printed_word_for_word",
                ],
            ),
            promise(
                "an end that is not ordinary has its reason",
                &[
                    "reasons_are_told_in_both_languages",
                    "a_silent_client_is_closed",
                    "a_reset_has_its_reason_and_harms_nobody",
                    "a_reset_after_the_last_reply_is_an_ordinary_end",
                    "clients_between_messages_are_closed_at_once",
                    "unit:echo::every_end_has_its_reason",
                ],
            ),
            promise(
                "a client counts once it was accepted, whatever became of it",
                &["every_accepted_client_counts"],
            ),
            promise(
                "one byte and one client are singular",
                &[
                    "only_one_is_singular",
                    "unit:common/console/language::only_one_is_singular",
                ],
            ),
            promise(
                "an IPv4 client of a dual-stack server is printed as such",
                &["dual_stack_prints_ipv4_clients_as_such"],
            ),
            promise(
                "a child that a signal killed is reported; the server goes on",
                &["a_child_that_dies_is_reported_and_harms_nobody"],
            ),
            promise(
                "a child that ended with another status than 0 is reported",
                &[
                    "a_panic_is_told_and_harms_nobody_else",
                    "unit:common/console/log::every_event_has_its_line_in_both_languages",
                ],
            ),
            promise(
                "text is shown as it is",
                &[
                    "text_is_shown_as_it_is",
                    "unit:common/console/escape::text_stays_text",
                ],
            ),
            promise(
                "what is not printable is escaped, and can be read back",
                &[
                    "what_is_not_printable_is_escaped",
                    "every_byte_and_control_can_be_read_back",
                    "unit:common/console/escape::what_is_not_printable_is_spelt_out",
                    "unit:common/console/escape::any_bytes_come_out_printable_and_can_be_read_back",
                ],
            ),
            promise(
                "bytes that are not UTF-8 are shown as such",
                &["what_is_not_utf8_is_shown_in_bytes"],
            ),
            promise(
                "so is a character that the buffer's end cut",
                &["a_character_cut_by_the_buffer_is_shown_in_bytes"],
            ),
            promise(
                "no line is longer than 4096 bytes; a longer one is cut at a \
                 whole escape and says how many bytes are missing",
                &[
                    "a_long_line_is_cut_at_a_whole_escape",
                    "unit:common/console/log::no_line_is_longer_than_a_pipe_takes_at_once",
                ],
            ),
            promise(
                "a line that fits is not cut",
                &["a_line_that_just_fits_is_not_cut"],
            ),
            promise(
                "all of it in Spanish",
                &[
                    "an_exchange_is_printed_in_spanish",
                    "reasons_are_told_in_both_languages",
                    "only_one_is_singular",
                    "a_long_line_is_cut_at_a_whole_escape",
                    "a_death_is_reported_in_spanish",
                ],
            ),
            promise(
                "diagnostics and errors in Spanish too",
                &[
                    "what_prevents_the_start_is_told_in_spanish_too",
                    "a_shortage_is_told_in_spanish_too",
                    "help_and_refusals_speak_spanish_too",
                    "unit:common/console/options::refusals_are_worded_in_spanish_too",
                ],
            ),
            promise(
                "output that is closed, full or broken stops nothing",
                &[
                    "the_service_goes_on_when_nobody_reads_any_more",
                    "the_service_goes_on_when_the_disk_is_full",
                    "the_service_goes_on_at_a_limit_of_file_size",
                ],
            ),
            promise(
                "output that is not read may pause it; no line is lost",
                &["output_that_is_not_read_pauses_and_loses_nothing"],
            ),
            promise(
                "diagnostics go to standard error",
                &[
                    "clients_wait_while_descriptors_are_short",
                    "a_client_waits_while_none_can_be_created_for_it",
                ],
            ),
            promise(
                "where they cannot be written, the service goes on",
                &["a_diagnostic_that_cannot_be_written_stops_nothing"],
            ),
            promise(
                "where they are not read, the service goes on",
                &["a_diagnostic_that_is_not_read_stops_nothing"],
            ),
            promise(
                "a terminal shows at most 60 characters of a message",
                &["a_terminal_shows_sixty_characters_of_a_message"],
            ),
            promise(
                "a terminal that is not UTF-8 gets ASCII alone",
                &["a_terminal_without_utf8_gets_ascii_alone"],
            ),
            promise(
                "on a terminal the echo of Ctrl-C shares no line",
                &["the_echo_of_ctrl_c_shares_no_line"],
            ),
            promise(
                "a server that listens on all addresses names those that \
                 others can use",
                &["the_addresses_that_others_can_use_are_listed"],
            ),
            promise(
                "a stop that waits says for how many clients and how long, \
                 and what a second Ctrl-C does",
                &[
                    "a_stop_that_waits_says_so",
                    "unit:common/console/log::a_wait_is_told_in_the_right_number",
                ],
            ),
        ],
    },
    Section {
        title: "Faults",
        promises: &[
            promise(
                "no descriptor, child or thread is leaked",
                &["nothing_is_left_of_500_clients"],
            ),
            promise(
                "a limit of descriptors lowered meanwhile harms no client",
                &["a_lowered_limit_of_descriptors_harms_nobody_in_service"],
            ),
            promise(
                "no loop spins: idle clients, a full house",
                &["idle_clients_cost_nothing", "a_full_house_does_not_spin"],
            ),
            promise(
                "accept: errors of the network are passed over at once",
                &["a_connection_lost_before_accept_is_passed_over"],
            ),
            promise(
                "accept: EINTR and EAGAIN without a word",
                &["an_interrupted_accept_is_repeated_without_a_word"],
            ),
            promise(
                "accept: a shortage has one diagnostic for each spell; \
                 clients wait and are served later",
                &[
                    "clients_wait_while_descriptors_are_short",
                    "a_spell_of_failing_accepts_has_one_diagnostic",
                ],
            ),
            promise(
                "no thread or process can be created: one diagnostic for \
                 each spell; that client is kept, the others go on",
                &[
                    "a_client_waits_while_none_can_be_created_for_it",
                    "a_failed_creation_is_tried_again",
                ],
            ),
            promise(
                "recv, send: EINTR is repeated",
                &["an_interrupted_transfer_is_repeated"],
            ),
            promise(
                "recv, send: an error closes that client with its reason",
                &[
                    "a_failed_transfer_closes_that_client_with_its_reason",
                    "a_reset_has_its_reason_and_harms_nobody",
                    "a_client_that_is_gone_harms_nobody",
                    "unit:idle::what_was_sent_before_a_failure_stays_counted",
                ],
            ),
            promise(
                "poll, select, epoll_wait: EINTR is repeated",
                &["an_interrupted_wait_is_repeated"],
            ),
            promise(
                "select: no more at a time than it can hold; others wait",
                &["select_serves_no_more_than_it_can_hold"],
            ),
            promise(
                "a fatal signal in a child: reaped, reported, no other harmed",
                &[
                    "a_panic_is_told_and_harms_nobody_else",
                    "a_child_that_dies_is_reported_and_harms_nobody",
                    "a_child_that_dies_during_a_stop_is_reported",
                ],
            ),
            promise(
                "children are reaped at once",
                &["children_are_reaped_at_once"],
            ),
            promise(
                "a panic in a thread closes that client alone",
                &[
                    "a_panic_is_told_and_harms_nobody_else",
                    "unit:threads-server/clients::a_panic_takes_its_own_client_along_and_no_other",
                ],
            ),
            promise(
                "the standard streams may be closed at the start",
                &["it_runs_with_its_standard_streams_closed"],
            ),
            promise(
                "an error that only a mistake can cause ends it: 1, one line",
                &["a_mistake_in_the_program_ends_it"],
            ),
        ],
    },
    Section {
        title: "Stopping",
        promises: &[
            promise(
                "SIGINT and SIGTERM end it with the summary",
                &["a_stop_without_clients_is_clean"],
            ),
            promise("no more are accepted", &["a_stop_accepts_no_more"]),
            promise(
                "all that accepted clients had sent is answered",
                &["what_was_sent_before_a_stop_is_answered"],
            ),
            promise(
                "clients between messages are closed at once: without a slow \
                 one a stop takes no time",
                &["clients_between_messages_are_closed_at_once"],
            ),
            promise(
                "replies that a client is slow to take are waited for",
                &[
                    "a_slow_reader_within_the_grace_gets_everything",
                    "a_client_that_sends_on_and_reads_slowly_loses_nothing",
                ],
            ),
            promise(
                "but no longer than the grace, nor than the client stays",
                &[
                    "a_client_that_is_gone_holds_up_no_stop",
                    "replies_that_do_not_arrive_are_given_up_after_the_grace",
                    "a_slow_reader_is_cut_after_the_grace",
                    "a_client_that_goes_on_sending_is_cut_after_the_grace",
                ],
            ),
            promise(
                "clients in the kernel's queue are reset",
                &["clients_in_the_queue_are_reset_at_a_stop"],
            ),
            promise(
                "the port can be bound again at once",
                &["the_port_can_be_bound_again_at_once"],
            ),
            promise(
                "requests less than 0.2 s after the first are the same one",
                &["a_burst_of_signals_is_one_request"],
            ),
            promise(
                "SIGHUP asks for a stop, unless it was ignored at the start",
                &["a_hang_up_is_a_stop_unless_it_was_ignored"],
            ),
            promise(
                "a signal to the whole process group is one stop",
                &[
                    "one_signal_to_the_whole_group_is_one_stop",
                    "ctrl_c_at_a_terminal_is_an_orderly_stop",
                ],
            ),
            promise(
                "a signal to one child begins a stop of that child alone",
                &["a_signal_to_one_child_stops_that_child_only"],
            ),
            promise(
                "on a second signal the children are killed and reaped",
                &[
                    "a_second_signal_ends_it_with_130",
                    "one_signal_to_the_whole_group_is_one_stop",
                ],
            ),
            promise(
                "when the process-server is killed, its children finish with \
                 their clients and end",
                &[
                    "nothing_outlives_a_killed_server",
                    "a_killed_server_leaves_its_port",
                    "no_child_hangs_in_a_full_pipe_of_a_killed_server",
                ],
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::cases;

    fn promises() -> impl Iterator<Item = &'static Promise> {
        CONTRACT.iter().flat_map(|section| section.promises)
    }

    /// Whether a unit test `MODULE::NAME` or `SERVER/MODULE::NAME` exists, as
    /// the source text says.
    fn unit_test_exists(reference: &str) -> bool {
        let Some((module, name)) = reference.split_once("::") else {
            return false;
        };
        let (package, module) =
            module.split_once('/').unwrap_or(("common", module));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(package)
            .join("src")
            .join(format!("{module}.rs"));
        let Ok(text) = fs::read_to_string(&path) else {
            return false;
        };
        // The attribute stands above the function, perhaps with others.
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.iter().enumerate().any(|(number, line)| {
            line.starts_with(&format!("fn {name}("))
                && lines[..number]
                    .iter()
                    .rev()
                    .take_while(|above| {
                        above.starts_with('#') || above.starts_with("//")
                    })
                    .any(|above| *above == "#[test]")
        })
    }

    #[test]
    fn every_promise_has_a_case() {
        for promise in promises() {
            assert!(!promise.cases.is_empty(), "{}", promise.text);
        }
    }

    #[test]
    fn every_case_named_exists() {
        let known: BTreeSet<&str> =
            cases::all().map(|case| case.name).collect();
        let missing: Vec<&&str> = promises()
            .flat_map(|promise| promise.cases)
            .filter(|name| match name.strip_prefix("unit:") {
                Some(reference) => !unit_test_exists(reference),
                None => !known.contains(**name),
            })
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn every_case_is_promised() {
        let promised: BTreeSet<&&str> =
            promises().flat_map(|promise| promise.cases).collect();
        let idle: Vec<&str> = cases::all()
            .map(|case| case.name)
            .filter(|name| !promised.contains(name))
            .collect();
        assert!(idle.is_empty(), "{idle:#?}");
    }

    #[test]
    fn a_case_has_a_name_of_its_own() {
        let mut names: Vec<&str> = cases::all().map(|case| case.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_unit_test_is_found_by_its_name_alone() {
        assert!(unit_test_exists("echo::every_end_has_its_reason"));
        assert!(!unit_test_exists("echo::every_end_has_no_reason"));
        assert!(!unit_test_exists("echo::every_end"));
        assert!(!unit_test_exists("nowhere::every_end_has_its_reason"));
        assert!(!unit_test_exists("every_end_has_its_reason"));
    }
}
