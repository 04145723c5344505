//! However the network cuts what is received and what is sent, a
//! conversation echoes each byte once and in order, holds no more than one
//! buffer, and comes to its end.

#![no_main]

use std::ffi::OsString;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use common::constants::{BUFFER_SIZE, GREETING};
use common::echo::{Conversation, Step};
use common::console::language::Language;
use common::console::options::{Options, Program, Reply, Serve};
use libfuzzer_sys::fuzz_target;

/// One life of a conversation.
#[derive(Arbitrary, Debug)]
struct Life {
    /// Whether it ends after one exchange.
    once: bool,
    /// Whether the reply is the greeting.
    greeting: bool,
    /// What each call of recv(2) and send(2) transfers, as far as it can.
    counts: Vec<u16>,
    /// What the client sends, over and over.
    pattern: Vec<u8>,
}

fuzz_target!(|life: Life| {
    let mut conversation = Conversation::new(&options(&life));
    let mut source = life.pattern.iter().copied().cycle();
    let mut received = Vec::new();
    let mut replied = Vec::new();
    let mut buffer = [0; BUFFER_SIZE];
    let mut exchanges = 0;
    for &count in &life.counts {
        let count = usize::from(count);
        match conversation.step() {
            Step::Receive => {
                let unsent = conversation.unsent(&buffer);
                assert!(unsent.is_empty() || life.greeting);
                let count = count.min(buffer.len());
                for byte in &mut buffer[..count] {
                    *byte = source.next().unwrap_or(0);
                }
                received.extend_from_slice(&buffer[..count]);
                conversation.receive(count);
                assert_eq!(conversation.ended(), count == 0);
                assert_eq!(conversation.message(&buffer).len(), count);
            }
            Step::Send => {
                // The kernel takes a byte at least, or fails.
                let unsent = conversation.unsent(&buffer);
                let left = unsent.len();
                assert!(left > 0, "there would be nothing to wait for");
                let count = count.clamp(1, left);
                replied.extend_from_slice(&unsent[..count]);
                let complete = conversation.send(count);
                assert_eq!(complete, count == left);
                exchanges += usize::from(complete);
            }
            Step::Close => break,
        }
        if !life.greeting {
            assert!(received.starts_with(&replied), "another's bytes");
            assert!(received.len() - replied.len() <= BUFFER_SIZE);
            if conversation.step() != Step::Send {
                assert_eq!(received, replied, "a byte was lost");
            }
        }
    }
    if life.greeting {
        assert!(GREETING.as_bytes().starts_with(&replied));
    }
    if life.once || life.greeting {
        assert!(exchanges <= 1, "one exchange was asked for");
        let close = conversation.step() == Step::Close;
        assert_eq!(close, exchanges == 1 || conversation.ended());
    }
});

/// The options of such a conversation.
fn options(life: &Life) -> Options {
    let mut options = PARSED.clone();
    if life.once {
        options.serve = Serve::Once;
    }
    if life.greeting {
        options.reply = Reply::Greeting;
    }
    options
}

/// Those of a program without any arguments, parsed once.
static PARSED: LazyLock<Options> = LazyLock::new(|| {
    let program = Program {
        name: "fuzz",
        serve: Serve::UntilEof,
        backend: None,
    };
    let words = [OsString::from(program.name)];
    Options::parse(program, Language::English, words)
        .expect("no options at all are fine")
});
