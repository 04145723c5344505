//! What a client sent is shown, and can do nothing to the terminal.

use probe::transcript::LONGEST;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(text_is_shown_as_it_is),
    case!(what_is_not_printable_is_escaped),
    case!(what_is_not_utf8_is_shown_in_bytes),
    case!(a_character_cut_by_the_buffer_is_shown_in_bytes),
    case!(every_byte_and_control_can_be_read_back),
    case!(a_long_line_is_cut_at_a_whole_escape),
    case!(a_line_that_just_fits_is_not_cut),
];

/// Sends one message of at most a buffer; gives the line about it, and what
/// the line shows of the message.
fn line_of(
    server: &Server,
    client: &mut Client,
    message: &[u8],
    received: &str,
) -> (String, String) {
    let plural = if message.len() == 1 { "" } else { "s" };
    let amount = format!("{} byte{plural}: ", message.len());
    let start = format!("  {}  {received} {amount}", client.address);
    let before = server.count(&start);
    client.exchange(message);
    server.wait_count(&start, before + 1);
    let lines = server.stdout.so_far();
    let line = lines.iter().rfind(|line| line.contains(&start));
    let line = line.expect("it was just waited for");
    let (_, text) = line.split_once(&start).expect("it was just found");
    (line.clone(), text.to_owned())
}

/// Sends one message of at most a buffer and gives what is shown of it.
fn shown(server: &Server, client: &mut Client, message: &[u8]) -> String {
    line_of(server, client, message, "received").1
}

/// Sends each message and compares what is shown of it.
fn assert_shown(form: &Form, expected: &[(&[u8], &str)]) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    for (message, text) in expected {
        assert_eq!(shown(&server, &mut client, message), *text);
    }
    drop(client);
    server.stop();
}

fn text_is_shown_as_it_is(form: &Form) {
    let texts = [
        "plain text, with punctuation: ~!@#$%^&*()[]{}<>|;?",
        "¡Qué señora más española! ñandú Über naïve",
        "Ελληνικά, русский, 日本語, 한국어",
        "right to left as letters: עברית العربية",
        "combining: e\u{301} n\u{303} a\u{308}\u{301}",
        "emoji: 🎉 👍🏽 ❤️ 🇪🇸",
        "joined: 👩\u{200d}👩\u{200d}👧 🏳️\u{200d}🌈",
        "\"double\" and 'single' quotes, `too`",
        "… (3 more bytes)",
    ];
    let expected: Vec<(&[u8], &str)> =
        texts.iter().map(|text| (text.as_bytes(), *text)).collect();
    assert_shown(form, &expected);
}

fn what_is_not_printable_is_escaped(form: &Form) {
    assert_shown(
        form,
        &[
            (b"\n", "\\n"),
            (b"\r\n\t", "\\r\\n\\t"),
            (b"\\", "\\\\"),
            (b"\\n", "\\\\n"),
            (b"\0", "\\u{0}"),
            (b"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            (b"\x1b]0;title\x1b\\", "\\u{1b}]0;title\\u{1b}\\\\"),
            (b"a\x08b\x0b\x0c", "a\\u{8}b\\u{b}\\u{c}"),
            (b"\x7f", "\\u{7f}"),
            ("\u{85}\u{9b}31m".as_bytes(), "\\u{85}\\u{9b}31m"),
            (
                "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}".as_bytes(),
                "\\u{202a}\\u{202b}\\u{202c}\\u{202d}\\u{202e}",
            ),
            (
                "\u{2066}\u{2067}\u{2068}\u{2069}".as_bytes(),
                "\\u{2066}\\u{2067}\\u{2068}\\u{2069}",
            ),
            (
                "\u{200e}\u{200f}\u{61c}".as_bytes(),
                "\\u{200e}\\u{200f}\\u{61c}",
            ),
            ("\u{2028}\u{2029}".as_bytes(), "\\u{2028}\\u{2029}"),
            ("\u{feff}".as_bytes(), "\\u{feff}"),
            ("\u{e000}\u{10ffff}".as_bytes(), "\\u{e000}\\u{10ffff}"),
        ],
    );
}

fn what_is_not_utf8_is_shown_in_bytes(form: &Form) {
    assert_shown(
        form,
        &[
            (b"\xff", "\\xff"),
            (b"a\x80b", "a\\x80b"),
            (b"\xc3(", "\\xc3("),
            (b"ol\xe9", "ol\\xe9"),
            // Too long a form, a half of a pair, beyond the last character.
            (b"\xc0\xaf", "\\xc0\\xaf"),
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
            (b"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"),
            // The rest of a character that does not begin.
            (b"\x9b31m", "\\x9b31m"),
            ("é\u{1f389}".as_bytes(), "é\u{1f389}"),
            (b"\xf0\x9f\x8e", "\\xf0\\x9f\\x8e"),
        ],
    );
}

fn a_character_cut_by_the_buffer_is_shown_in_bytes(form: &Form) {
    let server = form.run("--serve once");
    let mut client = server.client();
    let mut message = vec![b'a'; 1023];
    message.extend("é".as_bytes());
    client.send(&message);
    client.expect(&message[..1024]);
    client.expect_end();
    let text = format!("{}\\xc3", "a".repeat(1023));
    let end = format!("  {}  received 1024 bytes: {text}", client.address);
    server.wait_count(&end, 1);
    drop(client);
    server.stop();
}

fn every_byte_and_control_can_be_read_back(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    let every_byte: Vec<u8> = (0..=255).collect();
    let mixed: Vec<u8> =
        every_byte.iter().flat_map(|byte| [b'a', *byte, b'\\']).collect();
    let characters: String = ('\0'..='\u{24f}').collect();
    let others: String = ('\u{2000}'..='\u{206f}').collect();
    for message in [
        every_byte.as_slice(),
        mixed.as_slice(),
        characters.as_bytes(),
        others.as_bytes(),
    ] {
        for piece in message.chunks(1000) {
            let text = shown(&server, &mut client, piece);
            let back = unescape(&text);
            assert_eq!(back.as_deref(), Some(piece), "{text:?}");
        }
    }
    drop(client);
    server.stop();
}

fn a_long_line_is_cut_at_a_whole_escape(form: &Form) {
    let long_ones: [&[u8]; 4] =
        [b"\x1b", b"\0", b"\xff", "\u{202e}\u{1b}é".as_bytes()];
    for (language, received, note) in
        [("en", "received", "more bytes"), ("es", "recibidos", "bytes más")]
    {
        let server =
            form.run(&format!("--serve until-eof --language {language}"));
        let mut client = server.client();
        for unit in long_ones {
            let mut message: Vec<u8> = unit.repeat(1024);
            message.truncate(1024);
            if unit.len() > 1 {
                // This line is long only with a great part of the short text
                // that is escaped at length.
                message[200..].fill(0x1b);
            }
            let (line, text) =
                line_of(&server, &mut client, &message, received);
            // The line is as long as it can be: the next escape would not have
            // fitted.
            let length = line.len() + 1;
            assert!(length <= LONGEST, "{length} bytes");
            assert!(length > LONGEST - 9, "only {length} bytes: {line}");
            let (text, rest) = text.rsplit_once("… (").expect("the note");
            let missing: usize = rest
                .strip_suffix(&format!(" {note})"))
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("the note: {rest:?}"));
            let part = unescape(text).expect("whole escapes");
            assert_eq!(part, message[..part.len()]);
            assert_eq!(part.len() + missing, 1024, "the bytes missing");
        }
        drop(client);
        server.stop_unchecked();
    }
}

fn a_line_that_just_fits_is_not_cut(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut client = server.client();
    let connected = server.wait_for(&client, "connected");
    let before = connected.len() - "connected".len();
    // Escapes of six, filled up with letters of one, to the byte. (All
    // lengths concerned have four digits.)
    let room = LONGEST - 1 - before - "received 1000 bytes: ".len();
    let fitting = |room: usize| -> Vec<u8> {
        let letters = (6 * 1000 - room) / 5;
        let escapes = (room - letters) / 6;
        let rest = room - letters - escapes * 6;
        let mut message = vec![b'a'; letters];
        message.extend(vec![0x1b; escapes]);
        message.extend(vec![b'b'; rest]);
        assert!((1000..=1024).contains(&message.len()));
        message
    };
    let message = fitting(room);
    let text = shown(&server, &mut client, &message);
    assert_eq!(text.len(), room, "{text}");
    assert_eq!(unescape(&text).as_deref(), Some(message.as_slice()));
    // One byte more does not fit.
    let message = fitting(room + 1);
    let text = shown(&server, &mut client, &message);
    assert!(text.ends_with(" more bytes)"), "{text}");
    drop(client);
    server.stop();
}
