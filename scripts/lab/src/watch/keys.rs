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
        let press = |character| {
            action(KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE))
        };
        for (character, expected) in [
            ('p', Action::Pause),
            ('+', Action::Closer),
            ('-', Action::Wider),
            ('1', Action::Approach(Approach::Threads)),
            ('2', Action::Approach(Approach::Processes)),
            ('3', Action::Approach(Approach::Loop)),
            ('b', Action::Backend),
            ('m', Action::OneClient),
            ('?', Action::Help),
            ('q', Action::Quit),
        ] {
            assert_eq!(press(character), Some(expected));
        }
        assert_eq!(press('z'), None);
        let control = |character| {
            action(KeyEvent::new(
                KeyCode::Char(character),
                KeyModifiers::CONTROL,
            ))
        };
        assert_eq!(control('c'), Some(Action::Quit));
        // Ctrl-P is not p.
        assert_eq!(control('p'), None);
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(action(enter), None);
    }
}
