//! `--reply greeting`: the originals' reply as a valid HTTP response.

use std::process::Command;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(the_greeting_is_a_valid_response),
    case!(after_a_greeting_the_server_closes),
    case!(a_long_request_gets_its_greeting).in_a_second(),
    case!(curl_shows_the_greeting).needs(&[Need::Curl]),
];

const BODY: &str = "Hola, cliente!\n";

/// Takes a response apart as RFC 9112 asks for: status line, fields, body.
fn parse(response: &[u8]) -> (String, Vec<(String, String)>, Vec<u8>) {
    let end = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("an empty line ends the head");
    let head = std::str::from_utf8(&response[..end]).expect("a head in ASCII");
    assert!(
        !head.replace("\r\n", "").contains(['\r', '\n']),
        "a line of the head does not end in CRLF: {head:?}"
    );
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("name: value");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    (status, fields, response[end + 4..].to_vec())
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn the_greeting_is_a_valid_response(form: &Form) {
    for serve in ["once", "until-eof"] {
        let server = form.run(&format!("--reply greeting --serve {serve}"));
        let mut client = server.sending(REQUEST);
        let response = client.receive_all();
        let (status, fields, body) = parse(&response);
        assert_eq!(status, "HTTP/1.1 200 OK");
        let field = |name: &str| -> Vec<&str> {
            let named = fields.iter().filter(|(other, _)| other == name);
            named.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(field("content-type"), ["text/plain; charset=utf-8"]);
        assert_eq!(field("content-length"), [BODY.len().to_string()]);
        assert_eq!(field("connection"), ["close"]);
        assert_eq!(body, BODY.as_bytes());
        drop(client);
        let totals = server.stop().totals;
        assert_eq!(totals.received, REQUEST.len() as u64);
        assert_eq!(totals.sent, response.len() as u64);
    }
}

fn after_a_greeting_the_server_closes(form: &Form) {
    for serve in ["once", "until-eof"] {
        let server = form.run(&format!("--reply greeting --serve {serve}"));
        let mut client = server.sending(b"hola\n");
        assert!(client.receive_all().ends_with(BODY.as_bytes()));
        // The client's side is open still: it was the server who closed.
        client.half_close();
        assert_eq!(server.wait_closed(client.address), ": one exchange");
        server.stop();
    }
}

fn a_long_request_gets_its_greeting(form: &Form) {
    for serve in ["once", "until-eof"] {
        let server = form.run(&format!("--reply greeting --serve {serve}"));
        let mut client = server.sending(&pattern(30_000));
        let response = client.receive_all();
        assert!(response.ends_with(BODY.as_bytes()), "{response:?}");
        let greetings = response.windows(4).filter(|w| *w == b"HTTP").count();
        assert_eq!(greetings, 1);
        drop(client);
        assert_eq!(server.stop().totals.received, 1024);
    }
}

fn curl_shows_the_greeting(form: &Form) {
    for serve in ["once", "until-eof"] {
        let server = form.run(&format!("--reply greeting --serve {serve}"));
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20"])
            .args(["--noproxy", "*"])
            .arg(format!("http://{}/", server.address))
            .output()
            .expect("curl can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl: {errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), BODY);
        server.stop();
    }
}
