//! The rules, on samples that were made up.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::evaluate::Finding;
use crate::evaluate::page::Told;
use crate::language::Language;

fn judgement_on(
    id: &str,
    samples: &Samples,
    processors: usize,
) -> Option<Judgement> {
    let missing = BTreeMap::new();
    let evidence = Evidence { samples, processors, missing: &missing };
    let claims = select(&[id.to_owned()]).unwrap();
    claims[0].judge(&evidence)
}

/// A judgement in words, in both languages.
fn told(id: &str, judgement: Judgement) -> [Told; 2] {
    let claim = select(&[id.to_owned()]).unwrap()[0];
    let finding = Finding { claim, judgement };
    Language::ALL.map(|language| Told::new(&finding, language).unwrap())
}

use Verdict::{DoesNotHoldHere as DoesNotHold, Holds, HoldsInPart as InPart};
use Verdict::{NotMeasured, TooNoisyToTell as TooNoisy};

#[test]
fn there_are_eighteen_and_their_words_have_their_limits() {
    let ids: BTreeSet<&str> = CLAIMS.iter().map(|claim| claim.id).collect();
    assert_eq!(ids.len(), 18);
    for approach in [Approach::Threads, Approach::Processes, Approach::Mux] {
        for kind in [Kind::Advantage, Kind::Disadvantage] {
            let of_it =
                |it: &&Claim| it.approach() == approach && it.kind() == kind;
            assert_eq!(CLAIMS.iter().filter(of_it).count(), 3);
        }
    }
    for claim in CLAIMS {
        let nothing = Judgement::not_measured(Unmeasured::OneProcessor);
        let [english, spanish] = told(claim.id, nothing);
        for rule in [&english.rule, &spanish.rule] {
            if let Some(steps) = claim.rule.steps() {
                assert!(rule.contains(&format!(" {} ", steps.none)), "{rule}");
                assert!(rule.contains(&format!(" {} ", steps.clear)), "{rule}");
            }
            let doubts = matches!(claim.rule, Rule::SpeedUp(..));
            assert!(!doubts || rule.contains(" 15 %"), "{rule}");
        }
        for (en, es) in [
            (english.claim + ".", spanish.claim + "."),
            (english.experiment, spanish.experiment),
            (english.rule, spanish.rule),
        ] {
            assert!(en.ends_with('.') && es.ends_with('.'));
            assert!(!en.ends_with("..") && !es.ends_with(".."));
            assert!(!en.contains("  ") && !es.contains("  "));
            assert_ne!(en, es);
        }
        assert!(!claim.needs.is_empty());
        assert!(claim.command().ends_with(claim.id));
    }
}

#[test]
fn claims_are_selected_by_name() {
    let some = select(&["m3".to_owned(), "T1".to_owned()]).unwrap();
    let ids: Vec<&str> = some.iter().map(|claim| claim.id).collect();
    assert_eq!(ids, ["T1", "M3"]);
    assert!(select(&["T7".to_owned()]).is_err());
}

#[test]
fn steps_ask_the_middle_half_of_the_rounds() {
    let steps = Steps { none: 1.1, clear: 1.5 };
    assert_eq!(steps.judge(&[1.6, 1.7, 1.8]), Holds);
    assert_eq!(steps.judge(&[1.0, 1.05, 0.4]), DoesNotHold);
    assert_eq!(steps.judge(&[1.2, 1.3, 1.4]), InPart);
    // One odd round in seven changes nothing; half of the rounds does.
    let wild = [1.6, 1.6, 1.7, 1.7, 1.8, 1.8, 0.2];
    assert_eq!(steps.judge(&wild), Holds);
    assert_eq!(steps.judge(&[2.0, 2.0, 1.0, 1.0]), TooNoisy);
    assert_eq!(steps.judge(&[]), TooNoisy);
}

#[test]
fn two_parts_make_one_verdict() {
    assert_eq!(Holds.and(Holds), Holds);
    assert_eq!(DoesNotHold.and(DoesNotHold), DoesNotHold);
    assert_eq!(Holds.and(DoesNotHold), InPart);
    assert_eq!(InPart.and(Holds), InPart);
    assert_eq!(Holds.and(TooNoisy), TooNoisy);
    assert_eq!(TooNoisy.and(NotMeasured), NotMeasured);
}

#[test]
fn what_was_not_measured_has_no_verdict() {
    for claim in CLAIMS {
        let nothing = Samples::default();
        assert_eq!(judgement_on(claim.id, &nothing, 2), None, "{}", claim.id);
    }
    // Unless it is known why.
    let why = "not installed: python3".to_owned();
    let evidence = Evidence {
        samples: &Samples::default(),
        processors: 2,
        missing: &BTreeMap::from([(Experiment::Compute, why.clone())]),
    };
    let claim = &select(&["T5".to_owned()]).unwrap()[0];
    let judgement = claim.judge(&evidence).unwrap();
    assert_eq!(judgement.verdict, NotMeasured);
    assert_eq!(judgement.unmeasured, Some(Unmeasured::LeftOut(why)));
    let [english, spanish] = told("T5", judgement);
    assert_eq!(english.figure, "left out: not installed: python3");
    assert_eq!(spanish.figure, "omitida: not installed: python3");
    assert_eq!([english.picture, spanish.picture], [None, None]);
}

/// A run in which every claim holds: what is measured, and its figures, the
/// same in each round.
#[rustfmt::skip]
const ALL_HOLD: &[(&str, &[(&str, f64)])] = &[
    ("memory/threads",
        &[("user_kib", 9.0), ("page_tables_kib", 4.0), ("kernel_kib", 10.0)]),
    ("memory/processes",
        &[("user_kib", 30.0), ("page_tables_kib", 4.0), ("kernel_kib", 10.0)]),
    ("memory/mux", &[("user_kib", 0.1)]),
    ("passing/threads",
        &[("atomic_ns", 2.0), ("mutex_ns", 5.0), ("channel_ns", 30.0)]),
    ("passing/processes", &[("pipe_ns", 800.0), ("shared_memory_ns", 20.0)]),
    ("waiting",
        &[("threads/wall_ms", 110.0), ("one_after_the_other/wall_ms", 1e4)]),
    ("races", &[("read_then_write/lost_share", 0.4),
        ("fetch_add/lost_share", 0.0), ("refused_by_compiler", 0.0)]),
    ("locks/opposite_orders", &[("stopped_flag", 1.0), ("turns_count", 7.0)]),
    ("locks/one_order", &[("stopped_flag", 0.0), ("turns_count", 40_000.0)]),
    ("compute", &[("others_share", 0.02), ("threads/speed_up_times", 1.9),
        ("processes/speed_up_times", 1.9), ("mux/speed_up_times", 1.0),
        ("python_threading/speed_up_times", 1.0),
        ("python_multiprocessing/speed_up_times", 1.9)]),
    ("crash", &[("processes/others_served_share", 1.0),
        ("threads/others_served_share", 0.0),
        ("mux/others_served_share", 0.0)]),
    ("creation",
        &[("process_ns", 9e4), ("thread_ns", 14e3), ("table_entry_ns", 40.0)]),
    ("pools",
        &[("processes/cpu_each_ns", 1e5), ("processes_pool/cpu_each_ns", 4e4)]),
    ("efficiency/threads",
        &[("cpu_each_ns", 8e3), ("switches_each_count", 1.0)]),
    ("efficiency/processes", &[("cpu_each_ns", 9e3)]),
    ("efficiency/poll", &[("cpu_each_ns", 5e3), ("switches_each_count", 0.0)]),
    ("efficiency/epoll", &[("cpu_each_ns", 4e3)]),
    ("scaling/select", &[("beside_10/round_trip_ns", 5000.0),
        ("beside_1000/round_trip_ns", 5500.0)]),
    ("scaling/poll", &[("beside_10/round_trip_ns", 5000.0),
        ("beside_10000/round_trip_ns", 5500.0)]),
    ("scaling/epoll", &[("beside_10/round_trip_ns", 5000.0),
        ("beside_300/round_trip_ns", 1.0),
        ("beside_10000/round_trip_ns", 5500.0)]),
    ("scaling/threads", &[("beside_10/round_trip_ns", 5000.0)]),
    ("scaling/processes", &[("beside_10/round_trip_ns", 5000.0)]),
    ("source/threads",
        &[("lines_count", 100.0), ("branches_count", 10.0),
          ("states_count", 5.0)]),
    ("source/processes",
        &[("lines_count", 200.0), ("branches_count", 20.0),
          ("states_count", 5.0)]),
    ("source/mux",
        &[("lines_count", 300.0), ("branches_count", 30.0),
          ("states_count", 9.0)]),
    ("fairness/mux", &[("beside_heavy_ns", 2e7), ("alone_ns", 1e5)]),
    ("fairness/threads", &[("beside_heavy_ns", 2e5)]),
    ("fairness/processes", &[("beside_heavy_ns", 4e5)]),
    ("mechanisms/select", &[("here", 1.0), ("backend_serves", 1.0)]),
    ("mechanisms/poll", &[("here", 0.0), ("backend_serves", 1.0)]),
    ("mechanisms/epoll", &[("here", 1.0), ("backend_serves", 1.0)]),
    ("mechanisms/kqueue", &[("here", 0.0)]),
    ("mechanisms/io_uring", &[("here", 1.0)]),
];

/// Samples in the place of others, by their names.
type Others = &'static [(&'static str, &'static [f64])];

/// What becomes of a claim when some figures of [`ALL_HOLD`] are others, in
/// each of the rounds or in all of them.
#[rustfmt::skip]
const CASES: &[(&str, Verdict, Others)] = &[
    ("T1", InPart, &[("memory/processes/user_kib", &[11.0])]),
    ("T1", DoesNotHold, &[("memory/processes/user_kib", &[9.2])]),
    ("T1", TooNoisy, &[("memory/processes/user_kib", &[9.0, 30.0, 10.0])]),
    ("T2", InPart, &[("passing/threads/channel_ns", &[500.0])]),
    ("T2", DoesNotHold, &[("passing/threads/channel_ns", &[800.0])]),
    ("T2", TooNoisy, &[("passing/processes/pipe_ns", &[20.0, 30.0, 900.0])]),
    ("T3", InPart, &[("waiting/one_after_the_other/wall_ms", &[300.0])]),
    ("T3", DoesNotHold, &[("waiting/one_after_the_other/wall_ms", &[112.0])]),
    ("T3", TooNoisy,
        &[("waiting/one_after_the_other/wall_ms", &[112.0, 1e4, 300.0])]),
    ("T4", InPart, &[("races/refused_by_compiler", &[1.0])]),
    ("T4", DoesNotHold, &[("races/read_then_write/lost_share", &[0.0]),
        ("races/refused_by_compiler", &[1.0])]),
    ("T4", TooNoisy, &[("races/read_then_write/lost_share", &[0.0, 0.1, 0.0]),
        ("races/refused_by_compiler", &[1.0])]),
    // An indivisible addition that loses is a mistake of the experiment.
    ("T4", TooNoisy, &[("races/fetch_add/lost_share", &[0.1]),
        ("races/refused_by_compiler", &[1.0])]),
    ("T5", InPart, &[("compute/python_threading/speed_up_times", &[1.4])]),
    // A Python without the lock.
    ("T5", DoesNotHold, &[("compute/python_threading/speed_up_times", &[1.9])]),
    ("T5", TooNoisy,
        &[("compute/python_threading/speed_up_times", &[1.0, 1.9, 1.3])]),
    ("T5", Holds, &[("compute/others_share", &[0.1])]),
    ("T5", TooNoisy, &[("compute/others_share", &[0.4])]),
    ("T6", InPart, &[("locks/opposite_orders/stopped_flag", &[1.0, 0.0, 1.0])]),
    ("T6", DoesNotHold, &[("locks/opposite_orders/stopped_flag", &[0.0])]),
    ("T6", TooNoisy, &[("locks/one_order/stopped_flag", &[0.0, 1.0, 0.0])]),
    ("P1", InPart, &[("compute/processes/speed_up_times", &[1.3])]),
    ("P1", DoesNotHold, &[("compute/processes/speed_up_times", &[1.0])]),
    ("P1", TooNoisy, &[("compute/processes/speed_up_times", &[1.0, 1.9, 1.3])]),
    ("P1", Holds, &[("compute/others_share", &[0.1])]),
    ("P1", TooNoisy, &[("compute/others_share", &[0.4])]),
    ("P2", DoesNotHold, &[("crash/processes/others_served_share", &[0.0])]),
    ("P2", DoesNotHold, &[("crash/threads/others_served_share", &[1.0])]),
    ("P2", TooNoisy,
        &[("crash/processes/others_served_share", &[1.0, 0.9, 1.0])]),
    ("P3", InPart,
        &[("compute/python_multiprocessing/speed_up_times", &[1.3])]),
    ("P3", DoesNotHold,
        &[("compute/python_multiprocessing/speed_up_times", &[1.0])]),
    ("P3", TooNoisy,
        &[("compute/python_threading/speed_up_times", &[1.0, 1.9, 1.3])]),
    ("P3", Holds, &[("compute/others_share", &[0.1])]),
    ("P3", TooNoisy, &[("compute/others_share", &[0.4])]),
    // With equal page tables a process has to take more than 1.4 times.
    ("P4", InPart, &[("memory/processes/user_kib", &[13.0])]),
    ("P4", DoesNotHold, &[("memory/processes/user_kib", &[9.2])]),
    // The pipe is slow; shared memory is what threads have, too.
    ("P5", InPart, &[("passing/processes/shared_memory_ns", &[2.0])]),
    ("P5", DoesNotHold, &[("passing/processes/shared_memory_ns", &[2.0]),
        ("passing/threads/channel_ns", &[800.0])]),
    ("P5", TooNoisy, &[("passing/processes/shared_memory_ns", &[2.0]),
        ("passing/processes/pipe_ns", &[20.0, 30.0, 900.0])]),
    ("P6", InPart, &[("creation/process_ns", &[2e4])]),
    ("P6", DoesNotHold, &[("creation/process_ns", &[14e3])]),
    ("P6", TooNoisy, &[("creation/process_ns", &[14e3, 2e4, 9e4])]),
    // The better one of threads and processes counts.
    ("M1", InPart, &[("efficiency/threads/cpu_each_ns", &[9e3]),
        ("efficiency/processes/cpu_each_ns", &[5e3])]),
    ("M1", DoesNotHold, &[("efficiency/threads/cpu_each_ns", &[4.1e3])]),
    ("M1", TooNoisy, &[("efficiency/threads/cpu_each_ns", &[4e3, 9e3, 5e3]),
        ("efficiency/processes/cpu_each_ns", &[4e3, 9e3, 5e3])]),
    ("M2", Holds, &[("memory/mux/user_kib", &[0.1, 0.0, -0.3])]),
    ("M2", InPart, &[("memory/mux/user_kib", &[4.0])]),
    ("M2", DoesNotHold, &[("memory/mux/user_kib", &[9.0])]),
    ("M2", TooNoisy, &[("memory/mux/user_kib", &[0.1, 9.0, 4.0])]),
    // Whether the loop scales is a matter of its backend.
    ("M3", InPart, &[("scaling/select/beside_1000/round_trip_ns", &[3e6]),
        ("scaling/poll/beside_10000/round_trip_ns", &[3e6])]),
    ("M3", DoesNotHold, &[("scaling/select/beside_1000/round_trip_ns", &[3e6]),
        ("scaling/poll/beside_10000/round_trip_ns", &[3e6]),
        ("scaling/epoll/beside_10000/round_trip_ns", &[3e6])]),
    ("M3", TooNoisy, &[("scaling/select/beside_1000/round_trip_ns", &[3e6]),
        ("scaling/poll/beside_10000/round_trip_ns", &[3e6]),
        ("scaling/epoll/beside_10000/round_trip_ns", &[5e3, 9e3, 2e4])]),
    ("M4", InPart, &[("source/mux/states_count", &[5.0])]),
    ("M4", DoesNotHold, &[("source/mux/lines_count", &[150.0]),
        ("source/mux/branches_count", &[15.0]),
        ("source/mux/states_count", &[5.0])]),
    ("M5", InPart, &[("fairness/mux/beside_heavy_ns", &[5e5])]),
    ("M5", DoesNotHold, &[("fairness/mux/beside_heavy_ns", &[2e5])]),
    ("M5", TooNoisy, &[("fairness/mux/beside_heavy_ns", &[2e5, 5e5, 2e7])]),
    ("M6", InPart, &[("mechanisms/poll/here", &[1.0])]),
    ("M6", DoesNotHold,
        &[("mechanisms/poll/here", &[1.0]),
          ("mechanisms/kqueue/here", &[1.0])]),
];

/// The samples of [`ALL_HOLD`], three rounds of them, with other ones in the
/// place of some.
fn samples(others: Others) -> Samples {
    let mut samples = Samples::default();
    for (what, figures) in ALL_HOLD {
        for (name, value) in *figures {
            samples.0.insert(format!("{what}/{name}"), vec![*value; 3]);
        }
    }
    for (name, values) in others {
        let rounds = values.iter().copied().cycle().take(3);
        let before = samples.0.insert((*name).to_owned(), rounds.collect());
        assert!(before.is_some(), "{name} is no sample");
    }
    samples
}

#[test]
fn every_rule_finds_every_verdict() {
    let all_hold = CLAIMS.map(|claim| (claim.id, Holds, &[][..]));
    for (id, expected, others) in all_hold.iter().chain(CASES) {
        let judgement = judgement_on(id, &samples(others), 2);
        let judgement = judgement.expect("the samples are all there");
        assert_eq!(judgement.verdict, *expected, "{id} {others:?}");
        for Told { figure, spread, .. } in told(id, judgement) {
            assert!(!figure.is_empty() && !spread.is_empty());
            assert!(figure.contains(char::is_alphabetic), "{figure}");
        }
    }
}

#[test]
fn one_processor_shows_no_speed_up() {
    for id in ["P1", "P3", "T5"] {
        let judgement = judgement_on(id, &samples(&[]), 1).unwrap();
        assert_eq!(judgement.verdict, NotMeasured, "{id}");
        let [english, spanish] = told(id, judgement);
        assert!(english.figure.contains("one processor"));
        assert!(spanish.figure.contains("un solo procesador"));
    }
}
