//! Many connections through each form, and very many on request.

use suite::harness::Outcome;
use suite::soak::{QUICK, publish, run};

#[test]
fn what_a_server_holds_does_not_grow_with_its_clients() -> Outcome {
    run(QUICK).map(drop)
}

/// Writes docs/soak.md. `cargo test --release -p suite --test soak --
/// --ignored`
#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_connections_through_each_form() -> Outcome {
    publish()
}
