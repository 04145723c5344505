//! The rules, on samples that were made up.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::evaluate::Finding;
use crate::evaluate::page::Told;
use crate::language::Language;

fn samples(all: &[(&str, &[f64])]) -> Samples {
    let pairs = all.iter();
    let pair =
        |(name, values): &(&str, &[f64])| ((*name).to_owned(), values.to_vec());
    Samples(pairs.map(pair).collect())
}

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

#[track_caller]
fn verdict(id: &str, all: &[(&str, &[f64])]) -> Verdict {
    verdict_on(id, &samples(all))
}

#[track_caller]
fn verdict_on(id: &str, samples: &Samples) -> Verdict {
    let judgement = judgement_on(id, samples, 2);
    let judgement = judgement.expect("the samples are all there");
    let verdict = judgement.verdict;
    for told in told(id, judgement) {
        assert!(!told.figure.is_empty() && !told.spread.is_empty());
        assert!(told.figure.contains(char::is_alphabetic), "{}", told.figure);
    }
    verdict
}

/// A judgement in words, in both languages.
fn told(id: &str, judgement: Judgement) -> [Told; 2] {
    let claim = select(&[id.to_owned()]).unwrap()[0];
    let finding = Finding { claim, judgement };
    Language::ALL.map(|language| Told::new(&finding, language).unwrap())
}

use Verdict::{DoesNotHold, Holds, InPart, NotMeasured, TooNoisy};

#[test]
fn there_are_eighteen_six_of_each_approach() {
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
fn the_words_of_a_rule_have_its_limits() {
    for claim in CLAIMS {
        let nothing = Judgement::not_measured(Unmeasured::OneProcessor);
        for told in told(claim.id, nothing) {
            let Some(steps) = claim.rule.steps() else { continue };
            for limit in [steps.none, steps.clear] {
                let rule = &told.rule;
                assert!(rule.contains(&format!(" {limit} ")), "{rule}");
            }
            if let Rule::SpeedUp(_) = claim.rule {
                assert!(told.rule.contains(" 15 %"), "{}", told.rule);
            }
        }
    }
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

/// Memory of threads, processes and entries of the loop.
fn memory(
    id: &str,
    threads: &[f64],
    processes: &[f64],
    entries: &[f64],
) -> Verdict {
    let four = [4.0; 3];
    let ten = [10.0; 3];
    verdict(
        id,
        &[
            ("memory/threads/user_kib", threads),
            ("memory/threads/page_tables_kib", &four),
            ("memory/threads/kernel_kib", &ten),
            ("memory/processes/user_kib", processes),
            ("memory/processes/page_tables_kib", &four),
            ("memory/processes/kernel_kib", &ten),
            ("memory/mux/user_kib", entries),
        ],
    )
}

#[test]
fn memory_is_compared() {
    let (few, same, many) = ([9.0; 3], [9.2; 3], [30.0; 3]);
    assert_eq!(memory("T1", &few, &many, &few), Holds);
    assert_eq!(memory("T1", &few, &same, &few), DoesNotHold);
    assert_eq!(memory("T1", &few, &[11.0; 3], &few), InPart);
    assert_eq!(memory("T1", &few, &[9.0, 30.0, 10.0], &few), TooNoisy);
    // With equal page tables a process has to take more than 1.4 times.
    assert_eq!(memory("P4", &few, &many, &few), Holds);
    assert_eq!(memory("P4", &few, &[13.0; 3], &few), InPart);
    assert_eq!(memory("P4", &few, &same, &few), DoesNotHold);
    assert_eq!(memory("M2", &few, &many, &[0.1, 0.0, -0.3]), Holds);
    assert_eq!(memory("M2", &few, &many, &[4.0; 3]), InPart);
    assert_eq!(memory("M2", &few, &many, &few), DoesNotHold);
    assert_eq!(memory("M2", &few, &many, &[0.1, 9.0, 4.0]), TooNoisy);
}

fn passing(id: &str, channel: f64, pipe: &[f64], memory: f64) -> Verdict {
    verdict(
        id,
        &[
            ("passing/threads/atomic_ns", &[2.0; 3]),
            ("passing/threads/mutex_ns", &[5.0; 3]),
            ("passing/threads/channel_ns", &[channel; 3]),
            ("passing/processes/pipe_ns", pipe),
            ("passing/processes/shared_memory_ns", &[memory; 3]),
        ],
    )
}

#[test]
fn communication_is_compared() {
    let pipe = [800.0; 3];
    assert_eq!(passing("T2", 30.0, &pipe, 2.0), Holds);
    assert_eq!(passing("T2", 500.0, &pipe, 2.0), InPart);
    assert_eq!(passing("T2", 800.0, &pipe, 2.0), DoesNotHold);
    assert_eq!(passing("T2", 30.0, &[20.0, 30.0, 900.0], 2.0), TooNoisy);
    // The pipe is slow; shared memory is what threads have, too.
    assert_eq!(passing("P5", 30.0, &pipe, 2.0), InPart);
    assert_eq!(passing("P5", 30.0, &pipe, 20.0), Holds);
    assert_eq!(passing("P5", 800.0, &pipe, 2.0), DoesNotHold);
    assert_eq!(passing("P5", 30.0, &[20.0, 30.0, 900.0], 2.0), TooNoisy);
}

#[test]
fn waiting_together_or_one_after_the_other() {
    let waiting = |serial: &[f64]| {
        verdict(
            "T3",
            &[
                ("waiting/threads/wall_ms", &[110.0; 3]),
                ("waiting/one_after_the_other/wall_ms", serial),
            ],
        )
    };
    assert_eq!(waiting(&[10_000.0; 3]), Holds);
    assert_eq!(waiting(&[300.0; 3]), InPart);
    assert_eq!(waiting(&[112.0; 3]), DoesNotHold);
    assert_eq!(waiting(&[112.0, 10_000.0, 300.0]), TooNoisy);
}

#[test]
fn races_and_the_compiler() {
    let races = |lost: &[f64], careful: f64, refused: f64| {
        verdict(
            "T4",
            &[
                ("races/read_then_write/lost_share", lost),
                ("races/fetch_add/lost_share", &[careful; 3]),
                ("races/refused_by_compiler", &[refused]),
            ],
        )
    };
    assert_eq!(races(&[0.4, 0.5, 0.3], 0.0, 1.0), InPart);
    assert_eq!(races(&[0.4, 0.5, 0.3], 0.0, 0.0), Holds);
    assert_eq!(races(&[0.0; 3], 0.0, 1.0), DoesNotHold);
    assert_eq!(races(&[0.0, 0.1, 0.0], 0.0, 1.0), TooNoisy);
    // An indivisible addition that loses is a mistake of the experiment.
    assert_eq!(races(&[0.4; 3], 0.1, 1.0), TooNoisy);
}

#[test]
fn locks_stop_or_go_on() {
    let locks = |opposite: &[f64], same: &[f64]| {
        verdict(
            "T6",
            &[
                ("locks/opposite_orders/stopped_flag", opposite),
                ("locks/opposite_orders/turns_count", &[7.0; 3]),
                ("locks/one_order/stopped_flag", same),
                ("locks/one_order/turns_count", &[40_000.0; 3]),
            ],
        )
    };
    assert_eq!(locks(&[1.0; 3], &[0.0; 3]), Holds);
    assert_eq!(locks(&[1.0, 0.0, 1.0], &[0.0; 3]), InPart);
    assert_eq!(locks(&[0.0; 3], &[0.0; 3]), DoesNotHold);
    assert_eq!(locks(&[1.0; 3], &[0.0, 1.0, 0.0]), TooNoisy);
}

/// Speed-ups: threads, processes, Python's threads and processes.
fn compute(id: &str, times: [&[f64]; 4]) -> Verdict {
    compute_beside(id, times, 0.02)
}

/// Speed-ups, while others use a share of the processors.
fn compute_beside(id: &str, times: [&[f64]; 4], others: f64) -> Verdict {
    let [threads, processes, python, multi] = times;
    verdict(
        id,
        &[
            ("compute/others_share", &[others; 3]),
            ("compute/threads/speed_up_times", threads),
            ("compute/processes/speed_up_times", processes),
            ("compute/mux/speed_up_times", &[1.0; 3]),
            ("compute/python_threading/speed_up_times", python),
            ("compute/python_multiprocessing/speed_up_times", multi),
        ],
    )
}

#[test]
fn speed_ups_are_compared() {
    let (one, some, two) = (&[1.0; 3][..], &[1.3; 3][..], &[1.9; 3][..]);
    let noise = &[1.0, 1.9, 1.3][..];
    assert_eq!(compute("P1", [two, two, one, two]), Holds);
    assert_eq!(compute("P1", [two, some, one, two]), InPart);
    assert_eq!(compute("P1", [two, one, one, two]), DoesNotHold);
    assert_eq!(compute("P1", [two, noise, one, two]), TooNoisy);
    assert_eq!(compute("T5", [two, two, one, two]), Holds);
    // A Python without the lock.
    assert_eq!(compute("T5", [two, two, two, two]), DoesNotHold);
    assert_eq!(compute("T5", [two, two, &[1.4; 3], two]), InPart);
    assert_eq!(compute("T5", [two, two, noise, two]), TooNoisy);
    assert_eq!(compute("P3", [two, two, one, two]), Holds);
    assert_eq!(compute("P3", [two, two, one, one]), DoesNotHold);
    assert_eq!(compute("P3", [two, two, one, some]), InPart);
    assert_eq!(compute("P3", [two, two, noise, two]), TooNoisy);
    for id in ["P1", "P3", "T5"] {
        let times = [two, two, one, two];
        assert_eq!(compute_beside(id, times, 0.1), Holds);
        assert_eq!(compute_beside(id, times, 0.4), TooNoisy);
    }
}

#[test]
fn one_processor_shows_no_speed_up() {
    let speed_ups = samples(&[
        ("compute/threads/speed_up_times", &[1.0]),
        ("compute/processes/speed_up_times", &[1.0]),
        ("compute/mux/speed_up_times", &[1.0]),
        ("compute/python_threading/speed_up_times", &[1.0]),
        ("compute/python_multiprocessing/speed_up_times", &[1.0]),
    ]);
    for id in ["P1", "P3", "T5"] {
        let judgement = judgement_on(id, &speed_ups, 1).unwrap();
        assert_eq!(judgement.verdict, NotMeasured, "{id}");
        let [english, spanish] = told(id, judgement);
        assert!(english.figure.contains("one processor"));
        assert!(spanish.figure.contains("un solo procesador"));
    }
}

#[test]
fn crashes_take_others_along_or_not() {
    let crash = |processes: &[f64], threads: &[f64]| {
        verdict(
            "P2",
            &[
                ("crash/processes/others_served_share", processes),
                ("crash/threads/others_served_share", threads),
                ("crash/mux/others_served_share", &[0.0; 3]),
            ],
        )
    };
    assert_eq!(crash(&[1.0; 3], &[0.0; 3]), Holds);
    assert_eq!(crash(&[0.0; 3], &[0.0; 3]), DoesNotHold);
    assert_eq!(crash(&[1.0; 3], &[1.0; 3]), DoesNotHold);
    assert_eq!(crash(&[1.0, 0.9, 1.0], &[0.0; 3]), TooNoisy);
}

#[test]
fn creation_is_compared() {
    let creation = |process: &[f64]| {
        verdict(
            "P6",
            &[
                ("creation/process_ns", process),
                ("creation/thread_ns", &[14_000.0; 3]),
                ("creation/table_entry_ns", &[40.0; 3]),
                ("pools/processes/cpu_each_ns", &[100_000.0; 3]),
                ("pools/processes_pool/cpu_each_ns", &[40_000.0; 3]),
            ],
        )
    };
    assert_eq!(creation(&[90_000.0; 3]), Holds);
    assert_eq!(creation(&[20_000.0; 3]), InPart);
    assert_eq!(creation(&[14_000.0; 3]), DoesNotHold);
    assert_eq!(creation(&[14_000.0, 20_000.0, 90_000.0]), TooNoisy);
}

#[test]
fn efficiency_is_compared_with_the_better_one() {
    let efficiency = |threads: &[f64], processes: &[f64]| {
        verdict(
            "M1",
            &[
                ("efficiency/threads/cpu_each_ns", threads),
                ("efficiency/processes/cpu_each_ns", processes),
                ("efficiency/poll/cpu_each_ns", &[5000.0; 3]),
                ("efficiency/epoll/cpu_each_ns", &[4000.0; 3]),
                ("efficiency/threads/switches_each_count", &[1.0; 3]),
                ("efficiency/poll/switches_each_count", &[0.0; 3]),
            ],
        )
    };
    assert_eq!(efficiency(&[8000.0; 3], &[9000.0; 3]), Holds);
    assert_eq!(efficiency(&[9000.0; 3], &[5000.0; 3]), InPart);
    assert_eq!(efficiency(&[4100.0; 3], &[9000.0; 3]), DoesNotHold);
    let noise = [4000.0, 9000.0, 5000.0];
    assert_eq!(efficiency(&noise, &noise), TooNoisy);
}

#[test]
fn scaling_is_a_matter_of_the_backend() {
    let scaling = |select: &[f64], poll: &[f64], epoll: &[f64]| {
        let ten = [5000.0; 3];
        verdict(
            "M3",
            &[
                ("scaling/select/beside_10/round_trip_ns", &ten),
                ("scaling/select/beside_1000/round_trip_ns", select),
                ("scaling/poll/beside_10/round_trip_ns", &ten),
                ("scaling/poll/beside_10000/round_trip_ns", poll),
                ("scaling/epoll/beside_10/round_trip_ns", &ten),
                ("scaling/epoll/beside_300/round_trip_ns", &[1.0; 3]),
                ("scaling/epoll/beside_10000/round_trip_ns", epoll),
                ("scaling/threads/beside_10/round_trip_ns", &ten),
                ("scaling/processes/beside_10/round_trip_ns", &ten),
            ],
        )
    };
    let (flat, steep) = ([5500.0; 3], [3e6; 3]);
    assert_eq!(scaling(&steep, &steep, &flat), InPart);
    assert_eq!(scaling(&flat, &flat, &flat), Holds);
    assert_eq!(scaling(&steep, &steep, &steep), DoesNotHold);
    assert_eq!(scaling(&steep, &steep, &[5000.0, 9000.0, 2e4]), TooNoisy);
}

#[test]
fn source_is_counted_in_three_ways() {
    let source = |lines: f64, branches: f64, states: f64| {
        let mut all = Samples::default();
        for (whose, counts) in [
            ("threads", [100.0, 10.0, 5.0]),
            ("processes", [200.0, 20.0, 5.0]),
            ("mux", [lines, branches, states]),
        ] {
            for (what, count) in
                ["lines", "branches", "states"].iter().zip(counts)
            {
                all.push(format!("source/{whose}/{what}_count"), count);
            }
        }
        verdict_on("M4", &all)
    };
    assert_eq!(source(300.0, 30.0, 9.0), Holds);
    assert_eq!(source(300.0, 30.0, 5.0), InPart);
    assert_eq!(source(150.0, 15.0, 5.0), DoesNotHold);
}

#[test]
fn light_clients_wait_for_a_heavy_one() {
    let fairness = |mux: &[f64]| {
        verdict(
            "M5",
            &[
                ("fairness/threads/beside_heavy_ns", &[2e5; 3]),
                ("fairness/processes/beside_heavy_ns", &[4e5; 3]),
                ("fairness/mux/beside_heavy_ns", mux),
                ("fairness/mux/alone_ns", &[1e5; 3]),
            ],
        )
    };
    assert_eq!(fairness(&[2e7; 3]), Holds);
    assert_eq!(fairness(&[5e5; 3]), InPart);
    assert_eq!(fairness(&[2e5; 3]), DoesNotHold);
    assert_eq!(fairness(&[2e5, 5e5, 2e7]), TooNoisy);
}

#[test]
fn mechanisms_are_here_or_not() {
    let mechanisms = |here: [f64; 5]| {
        let mut all = Samples::default();
        for (name, here) in MECHANISMS.iter().zip(here) {
            all.push(format!("mechanisms/{name}/here"), here);
        }
        for name in ["select", "poll", "epoll"] {
            all.push(format!("mechanisms/{name}/backend_serves"), 1.0);
        }
        verdict_on("M6", &all)
    };
    assert_eq!(mechanisms([1.0, 1.0, 1.0, 0.0, 1.0]), InPart);
    assert_eq!(mechanisms([1.0; 5]), DoesNotHold);
    assert_eq!(mechanisms([1.0, 0.0, 1.0, 0.0, 1.0]), Holds);
}
