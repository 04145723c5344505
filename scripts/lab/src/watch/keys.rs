//! What each key asks for.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};

use super::options::Approach;

/// What the teacher wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The picture stands still, or goes on.
    Pause,
    /// Less time in each column.
    Closer,
    /// More time in each column.
    Wider,
    /// Another server.
    Approach(Approach),
    /// The next backend of the loop.
    Backend,
    /// One client at a time, or as before.
    OneClient,
    /// The page that explains, or away with it.
    Help,
    /// An orderly stop, and the end.
    Quit,
}

/// The action of a key, if it has one.
#[must_use]
pub fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    // In raw mode the terminal sends no SIGINT: Ctrl-C is a key.
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    let KeyCode::Char(character) = key.code else {
        return None;
    };
    match character.to_ascii_lowercase() {
        'p' => Some(Action::Pause),
        // On many keyboards `=` is the key of `+` without Shift.
        '+' | '=' => Some(Action::Closer),
        '-' | '_' => Some(Action::Wider),
        '1' => Some(Action::Approach(Approach::Threads)),
        '2' => Some(Action::Approach(Approach::Processes)),
        '3' => Some(Action::Approach(Approach::Loop)),
        'b' => Some(Action::Backend),
        'm' => Some(Action::OneClient),
        '?' | 'h' => Some(Action::Help),
        'q' => Some(Action::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_action() {
        use Action::{Backend, Closer, Help, OneClient, Pause, Quit, Wider};
        let actions = "pP+=-_bm?hq".chars().map(|key| {
            action(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))
        });
        let expected = [
            Pause, Pause, Closer, Closer, Wider, Wider, Backend, OneClient,
            Help, Help, Quit,
        ];
        assert_eq!(actions.collect::<Vec<_>>(), expected.map(Some));
    }

    #[test]
    fn control_and_keys_without_a_letter_are_told_apart() {
        let press = |code, modifiers| action(KeyEvent::new(code, modifiers));
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        for (code, modifiers, expected) in [
            (KeyCode::Char('3'), none, Some(Action::Approach(Approach::Loop))),
            (KeyCode::Char('z'), none, None),
            (KeyCode::Enter, none, None),
            (KeyCode::Char('c'), control, Some(Action::Quit)),
            // Ctrl-P is not p.
            (KeyCode::Char('p'), control, None),
        ] {
            assert_eq!(press(code, modifiers), expected, "{code}");
        }
    }
}
