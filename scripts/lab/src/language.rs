//! The two languages of pages, pictures and the live view.

use clap::ValueEnum;

/// What pages and pictures are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    #[value(name = "en")]
    English,
    /// Spanish.
    #[value(name = "es")]
    Spanish,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// A file's name in this language: `T1.svg`, `T1.es.svg`.
    pub fn file(self, stem: &str, extension: &str) -> String {
        match self {
            Self::English => format!("{stem}.{extension}"),
            Self::Spanish => format!("{stem}.es.{extension}"),
        }
    }

    /// One of two words.
    pub fn pick<'text>(self, en: &'text str, es: &'text str) -> &'text str {
        match self {
            Self::English => en,
            Self::Spanish => es,
        }
    }
}
