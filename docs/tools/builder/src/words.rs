//! The words that no chapter contains: the summaries of folded notes, and
//! mdBook's own buttons. The lab's results have words of their own.

/// A language of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, at the root of the output.
    English,
    /// Spanish, in `es/`.
    Spanish,
}

impl Language {
    /// Both, in the order in which they are built.
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// What is in English or in Spanish, in this language.
    pub fn pick<T>(self, english: T, spanish: T) -> T {
        match self {
            Self::English => english,
            Self::Spanish => spanish,
        }
    }

    /// Its code, as in `lang="es"`.
    pub fn code(self) -> &'static str {
        self.pick("en", "es")
    }

    /// The language of this code; English if there is none.
    pub fn of(code: Option<&str>) -> Self {
        match code {
            Some("es") => Self::Spanish,
            _ => Self::English,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        self.pick(Self::Spanish, Self::English)
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        self.pick("English", "Español")
    }

    /// The title of the book.
    pub fn title(self) -> &'static str {
        self.pick("One server, many clients", "Un servidor, muchos clientes")
    }

    /// What search engines show.
    pub fn description(self) -> &'static str {
        self.pick(
            "Threads, processes and multiplexing: three echo servers in Rust, \
             read line by line",
            "Hilos, procesos y multiplexación: tres servidores de eco en Rust, \
             leídos línea por línea",
        )
    }

    /// A word or two of the pages themselves.
    pub fn word(self, (english, spanish): Word) -> &'static str {
        self.pick(english, spanish)
    }
}

/// A word or two, in English and in Spanish.
pub type Word = (&'static str, &'static str);

/// The summary of a note for the teacher.
pub const TEACHER: Word = ("For the teacher", "Para quien enseña");
/// Before a question.
pub const QUESTION: Word = ("Question", "Pregunta");
/// The summary of an answer.
pub const ANSWER: Word = ("Answer", "Respuesta");
/// The presenter's view.
pub const SLIDES: Word = ("Slides", "Diapositivas");
/// One slide back.
pub const BACK: Word = ("Back", "Anterior");
/// One slide on.
pub const NEXT: Word = ("Next", "Siguiente");
/// One of them.
pub const MINUTE: Word = ("minute", "minuto");
/// More of them.
pub const MINUTES: Word = ("minutes", "minutos");
/// The summary of folded tests, before the numbers of their lines.
pub const TESTS: Word = ("Tests, lines", "Pruebas, líneas");
/// The summary of another folded part, before the numbers of its lines.
pub const LINES: Word = ("Lines", "Líneas");
/// Between two numbers.
pub const TO: Word = ("to", "a");
/// Heads of the columns of verdicts.
pub const CLAIM: Word = ("Claim", "Afirmación");
/// The lab's word.
pub const VERDICT: Word = ("Verdict", "Veredicto");
/// What the lab has measured.
pub const FIGURE: Word = ("Measured", "Medido");
/// How far its repetitions lie apart.
pub const SPREAD: Word = ("Spread", "Dispersión");
/// Head of the column of what was compared.
pub const PROGRAM: Word = ("program", "programa");
/// What a comparison is called.
pub const COMPARISON: Word = ("Comparison", "Comparación");

/// What mdBook's own template says, and how it is said in Spanish. Each
/// must be found at least once, so that an update of mdBook that changes its
/// words does not go unnoticed.
pub const TEMPLATE: &[(&str, &str)] = &[
    ("Keyboard shortcuts", "Atajos del teclado"),
    (
        "<p>Press <kbd>←</kbd> or <kbd>→</kbd> to navigate between chapters</p>",
        "<p><kbd>←</kbd> y <kbd>→</kbd>: capítulo anterior y siguiente</p>",
    ),
    (
        "<p>Press <kbd>S</kbd> or <kbd>/</kbd> to search in the book</p>",
        "<p><kbd>S</kbd> o <kbd>/</kbd>: buscar en el libro</p>",
    ),
    (
        "<p>Press <kbd>?</kbd> to show this help</p>",
        "<p><kbd>?</kbd>: mostrar esta ayuda</p>",
    ),
    (
        "<p>Press <kbd>Esc</kbd> to hide this help</p>",
        "<p><kbd>Esc</kbd>: ocultar esta ayuda</p>",
    ),
    ("\"Table of contents\"", "\"Índice\""),
    ("\"Toggle Table of Contents\"", "\"Mostrar u ocultar el índice\""),
    ("\"Change theme\"", "\"Cambiar el tema\""),
    ("\"Themes\"", "\"Temas\""),
    ("theme\">Auto</button>", "theme\">Automático</button>"),
    ("light\">Light</button>", "light\">Claro</button>"),
    ("navy\">Navy</button>", "navy\">Oscuro</button>"),
    ("\"Search (`/`)\"", "\"Buscar (`/`)\""),
    ("\"Toggle Searchbar\"", "\"Mostrar u ocultar la búsqueda\""),
    ("\"Search this book ...\"", "\"Buscar en el libro…\""),
    ("\"Print this book\"", "\"Imprimir el libro\""),
    ("\"Page navigation\"", "\"Navegación entre páginas\""),
    ("\"Previous chapter\"", "\"Capítulo anterior\""),
    ("\"Next chapter\"", "\"Capítulo siguiente\""),
    ("count + ' search result for \\''", "count + ' resultado para \\''"),
    ("'No search results for \\''", "'Ningún resultado para \\''"),
    ("count + ' search results for \\''", "count + ' resultados para \\''"),
];
