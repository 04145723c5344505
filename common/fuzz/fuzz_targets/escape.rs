//! Any bytes must come out of `escape` as text that can do nothing to a
//! terminal, and from which the bytes can be read back.

#![no_main]

use common::console::escape::{Charset, escape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for charset in [Charset::Utf8, Charset::Ascii] {
        let mut shown = String::new();
        let mut counted = 0;
        for (count, text) in escape(bytes, charset) {
            assert!(!text.is_empty(), "a piece that cannot be seen");
            counted += count;
            shown.push_str(&text);
        }
        assert_eq!(counted, bytes.len(), "each byte belongs to one piece");
        assert!(shown.chars().all(harmless), "{shown:?}");
        assert!(charset == Charset::Utf8 || shown.is_ascii(), "{shown:?}");
        assert_eq!(read_back(&shown), bytes);
    }
});

/// Whether a character can neither command a terminal nor reorder its text.
fn harmless(character: char) -> bool {
    let bidirectional = matches!(
        character,
        '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    );
    // Line and paragraph separators end a line in some viewers.
    let separator = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !bidirectional && !separator
}

/// The bytes that a printed form stands for.
fn read_back(shown: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = shown;
    while let Some((text, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(text.as_bytes());
        let kind = escaped.chars().next().expect("no escape is cut");
        let after = &escaped[1..];
        rest = match kind {
            'n' | 'r' | 't' | '\\' => {
                let plain = match kind {
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    _ => b'\\',
                };
                bytes.push(plain);
                after
            }
            'x' => {
                let (digits, after) = after.split_at(2);
                let byte = u8::from_str_radix(digits, 16);
                bytes.push(byte.expect("two digits"));
                after
            }
            'u' => {
                let digits = after.strip_prefix('{').expect("a brace");
                let (digits, after) = digits.split_once('}').expect("another");
                let number = u32::from_str_radix(digits, 16).expect("digits");
                let character = char::from_u32(number).expect("a character");
                let mut encoded = [0; 4];
                let encoded = character.encode_utf8(&mut encoded);
                bytes.extend_from_slice(encoded.as_bytes());
                after
            }
            other => panic!("no such escape: {other:?}"),
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
