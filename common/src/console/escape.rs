//! What a client sent, in a form that can do nothing to a terminal.
//!
//! Next: `log.rs`, which puts this form into a line.

// A text that is borrowed where it stays as it is.
use std::borrow::Cow;

/// Which characters a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Those of Unicode, in UTF-8.
    Utf8,
    /// Those of ASCII alone. Other bytes may act on such a terminal: `\u{15b}`
    /// is C5 9B in UTF-8, and 9B begins a command to an 8-bit terminal.
    Ascii,
}

/// The pieces in which bytes are shown: how many bytes each piece stands for,
/// and its printed form.
///
/// Text stays as it is: letters of any script, accents, emoji, quotes. All
/// that is not printable becomes `\n`, `\r`, `\t`, `\\`, `\u{1b}`, and bytes
/// that are not UTF-8 become `\xff`. No two inputs share a printed form. For
/// `Charset::Ascii`, letters outside ASCII become `\u{f1}` too.
pub fn escape(
    bytes: &[u8],
    charset: Charset,
) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    // A chunk is some valid text and then at most one invalid sequence. A
    // character that the end of the buffer has cut in two is invalid too.
    bytes.utf8_chunks().flat_map(move |chunk| {
        // A character is one to four bytes of the text.
        let valid = chunk.valid();
        let text = valid.char_indices().map(move |(at, character)| {
            let length = character.len_utf8();
            (length, show(&valid[at..at + length], character, charset))
        });
        // Bytes that form no character are shown one by one.
        let rest = chunk.invalid().iter();
        let rest = rest.map(|byte| (1, format!("\\x{byte:02x}").into()));
        text.chain(rest)
    })
}

/// The printed form of one character, given as text and as itself.
fn show(text: &str, character: char, charset: Charset) -> Cow<'_, str> {
    match character {
        '\n' => "\\n".into(), // The end of a typed line.
        '\r' => "\\r".into(), // Telnet and browsers send it before `\n`.
        '\t' => "\\t".into(), // Its width depends on the terminal.
        // A backslash is doubled, so that `\n` always means a newline.
        '\\' => "\\\\".into(),
        // All other characters of ASCII that are printable.
        ' '..='~' => text.into(),
        // Letters of all scripts, accents, signs, emoji, and the joiner that
        // makes one emoji of several.
        _ if charset == Charset::Utf8
            && (character == '\u{200d}' || is_printable(character)) =>
        {
            text.into()
        }
        // Control characters, characters that turn the direction of writing,
        // invisible ones, and code points without a character.
        _ => format!("\\u{{{:x}}}", u32::from(character)).into(),
    }
}

/// Whether a character beyond ASCII is text.
///
/// The standard library has the Unicode tables, but shows them only through
/// `escape_debug`, which keeps an accent only if it follows another character.
/// So the question is asked with an `a` in front.
fn is_printable(character: char) -> bool {
    // One byte for the `a`, and four for the longest character.
    let mut text = [b'a'; 5];
    let length = character.encode_utf8(&mut text[1..]).len();
    let text = &text[..=length];
    // Text is what `escape_debug` leaves unchanged.
    str::from_utf8(text).is_ok_and(|text| text.escape_debug().eq(text.chars()))
}

/// Our own words for a terminal that shows ASCII alone: letters lose their
/// accents, so that they stay readable. The result is never longer, in bytes,
/// unless the text has a letter that no word of ours has.
pub fn to_ascii(text: &str) -> Cow<'_, str> {
    // English lines are ASCII already.
    if text.is_ascii() {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        // The characters that our Spanish words and our notes use.
        plain.push(match character {
            'á' => 'a',
            'é' => 'e',
            'í' => 'i',
            'ó' => 'o',
            'ú' | 'ü' => 'u',
            'ñ' => 'n',
            'Á' => 'A',
            'É' => 'E',
            'Í' => 'I',
            'Ó' => 'O',
            'Ú' => 'U',
            'Ñ' => 'N',
            '«' | '»' => '"',
            // The note that a message was cut begins with these dots.
            '…' => {
                plain += "...";
                continue;
            }
            _ if character.is_ascii() => character,
            // For example a host name that the user has typed.
            _ => {
                plain += &show("", character, Charset::Ascii);
                continue;
            }
        });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        escape(bytes, Charset::Utf8).map(|(_, text)| text).collect()
    }

    fn shown_in_ascii(bytes: &[u8]) -> String {
        escape(bytes, Charset::Ascii).map(|(_, text)| text).collect()
    }

    /// Reads the printed form back: what `escape` promises.
    fn unescape(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            if character != '\\' {
                let mut buffer = [0; 4];
                let encoded = character.encode_utf8(&mut buffer);
                bytes.extend_from_slice(encoded.as_bytes());
                continue;
            }
            let kind = rest.chars().next().unwrap();
            rest = &rest[1..];
            match kind {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                '\\' => bytes.push(b'\\'),
                'x' => {
                    bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                    rest = &rest[2..];
                }
                'u' => {
                    let (digits, after) = rest[1..].split_once('}').unwrap();
                    let number = u32::from_str_radix(digits, 16).unwrap();
                    let character = char::from_u32(number).unwrap();
                    let mut buffer = [0; 4];
                    let encoded = character.encode_utf8(&mut buffer);
                    bytes.extend_from_slice(encoded.as_bytes());
                    rest = after;
                }
                other => panic!("unknown escape \\{other}"),
            }
        }
        bytes
    }

    #[test]
    fn text_stays_text() {
        for text in ["¡hola, ñandú!", "\"it's\" `so`", "e\u{301}", "日本語"]
        {
            assert_eq!(shown(text.as_bytes()), text);
        }
        let family = "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍🏽";
        assert_eq!(shown(family.as_bytes()), family);
    }

    #[test]
    fn what_is_not_printable_is_spelt_out() {
        assert_eq!(shown(b"a\n\r\t\\"), "a\\n\\r\\t\\\\");
        assert_eq!(shown(b"\x1b[2J\0\x7f"), "\\u{1b}[2J\\u{0}\\u{7f}");
        let hidden = "\u{202e}\u{2066}\u{200b}\u{feff}\u{85}\u{9b}\u{2028}";
        assert_eq!(
            shown(hidden.as_bytes()),
            "\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{85}\\u{9b}\\u{2028}"
        );
        assert_eq!(shown(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(shown("ñ".as_bytes().split_at(1).0), "\\xc3");
        assert_eq!(shown(b"\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
    }

    #[test]
    fn our_own_words_stay_readable_in_ascii() {
        let text = "conexión, línea, búfer, pingüino, año: «QUÉ» … (3 más)";
        assert_eq!(
            to_ascii(text),
            "conexion, linea, bufer, pinguino, ano: \"QUE\" ... (3 mas)"
        );
        assert_eq!(to_ascii("áéíóúüñÁÉÍÓÚÑ«»"), "aeiouunAEIOUN\"\"");
        assert!(matches!(to_ascii("plain"), Cow::Borrowed("plain")));
        assert_eq!(to_ascii("日 \u{9b}"), "\\u{65e5} \\u{9b}");
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_printable_and_can_be_read_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..1100)
        ) {
            let text = shown(&bytes);
            prop_assert!(text.chars().all(|c| !c.is_control()));
            prop_assert_eq!(unescape(&text), bytes.clone());
            let pieces = escape(&bytes, Charset::Utf8);
            prop_assert_eq!(pieces.map(|(n, _)| n).sum::<usize>(), bytes.len());
        }

        #[test]
        fn any_text_comes_out_printable_and_can_be_read_back(
            text in "\\PC{0,40}|(?s:.{0,40})"
        ) {
            let shown = shown(text.as_bytes());
            let bidirectional = ['\u{61c}', '\u{200e}', '\u{200f}'];
            let harmless = |c: char| {
                !c.is_control()
                    && !bidirectional.contains(&c)
                    && !('\u{202a}'..='\u{202e}').contains(&c)
                    && !('\u{2066}'..='\u{2069}').contains(&c)
            };
            prop_assert!(shown.chars().all(harmless));
            prop_assert_eq!(unescape(&shown), text.into_bytes());
        }

        #[test]
        fn in_ascii_nothing_else_comes_out_and_can_be_read_back(
            text in "(?s:.{0,40})"
        ) {
            let shown = shown_in_ascii(text.as_bytes());
            prop_assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(unescape(&shown), text.into_bytes());
        }

        #[test]
        fn no_text_of_ours_leaves_ascii(text in "(?s:.{0,40})") {
            prop_assert!(to_ascii(&text).is_ascii());
        }
    }
}
