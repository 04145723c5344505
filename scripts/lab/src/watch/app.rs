//! Keys, server and picture together.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use minijinja::context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::model::Model;
use super::options::{Approach, Options};
use super::script::Script;
use super::server::Server;
use super::view::{Look, Screen};
use super::words;

/// What a column may stand for, milliseconds.
const SCALES: [u64; 8] = [10, 20, 50, 100, 200, 500, 1000, 2000];
/// The one to begin with.
const SCALE: usize = 4;
/// How often the picture is drawn.
const FRAME: Duration = Duration::from_millis(50);
/// How long crossterm may take to look for a key; with zero it does not look.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The view.
#[derive(Debug)]
pub struct App {
    look: Look,
    options: Options,
    /// The options of the server that is shown, until the next one has started.
    shown: Options,
    programs: BTreeMap<String, PathBuf>,
    clock: Instant,
    server: Option<Server>,
    /// What is known of the server, or of the one that has ended.
    model: Model,
    /// Whether the server was asked to stop.
    stopping: bool,
    /// Whether the view ends when the server has.
    quitting: bool,
    scale: usize,
    frozen: Option<(Model, Duration)>,
    help: bool,
    message: Option<String>,
    script: Script,
    summaries: Vec<String>,
    failure: Option<(String, u8)>,
}

impl App {
    /// Starts the first server.
    ///
    /// # Errors
    ///
    /// When its program cannot be run.
    pub fn new(
        look: Look,
        mut options: Options,
        programs: BTreeMap<String, PathBuf>,
        with_script: bool,
    ) -> Result<Self> {
        let mut script = Script::default();
        if with_script {
            Script::prepare(&mut options);
            script = Script::play();
        }
        let mut app = Self {
            look,
            model: Model::default(),
            shown: options.clone(),
            options,
            programs,
            clock: Instant::now(),
            server: None,
            stopping: false,
            quitting: false,
            scale: SCALE,
            frozen: None,
            help: false,
            message: None,
            script,
            summaries: Vec::new(),
            failure: None,
        };
        app.start()?;
        Ok(app)
    }

    fn start(&mut self) -> Result<()> {
        let name = self.options.approach.program();
        let program = self.programs.get(name).context("not built")?;
        let language = self.look.language;
        let server =
            Server::start(program, &self.options, language, self.clock)?;
        self.server = Some(server);
        self.model = Model::new(self.options.approach, self.options.is_pool());
        self.shown = self.options.clone();
        self.stopping = false;
        self.message = None;
        self.failure = None;
        Ok(())
    }

    /// Shows one of the words of the view in place of the legend.
    fn tell(&mut self, name: &str) {
        let name = format!("watch.{name}");
        self.message = Some(words::word(self.look.language, &name));
    }

    /// Does what a key asks for, if anything.
    fn press(&mut self, key: KeyEvent) {
        // In raw mode the terminal sends no SIGINT: Ctrl-C is a key.
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let KeyCode::Char(character) = key.code else {
            return;
        };
        // A message from before has been read, or does not matter any more.
        if !self.stopping && self.server.is_some() {
            self.message = None;
        }
        match character.to_ascii_lowercase() {
            'c' if control => self.quit(),
            _ if control => {}
            'p' => {
                self.frozen = match self.frozen.take() {
                    Some(_) => None,
                    None => Some((self.model.clone(), self.clock.elapsed())),
                };
            }
            // On many keyboards `=` is the key of `+` without Shift.
            '+' | '=' => self.scale = self.scale.saturating_sub(1),
            '-' | '_' => self.scale = (self.scale + 1).min(SCALES.len() - 1),
            '?' | 'h' => self.help = !self.help,
            '1' => self.show_approach(Approach::Threads),
            '2' => self.show_approach(Approach::Processes),
            '3' => self.show_approach(Approach::Loop),
            'm' => {
                self.options.one_client = !self.options.one_client;
                self.replace();
            }
            'b' if self.options.approach == Approach::Loop => {
                self.options.next_backend();
                self.replace();
            }
            'b' => self.tell("no_backend"),
            'q' => self.quit(),
            _ => {}
        }
    }

    fn show_approach(&mut self, approach: Approach) {
        if self.options.approach != approach || self.server.is_none() {
            self.options.approach = approach;
            self.replace();
        }
    }

    /// Begins an orderly end; the second call ends the server without waiting
    /// for its clients.
    fn quit(&mut self) {
        self.tell("stopping");
        self.quitting = true;
        self.stop();
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.frozen = None;
        self.script.aim(None);
        if let Some(server) = &self.server {
            server.stop();
        }
    }

    /// Another server in place of this one, with the options of now.
    fn replace(&mut self) {
        if self.quitting {
            return;
        }
        if self.server.is_none() {
            self.restart();
        } else if !self.stopping {
            self.tell("replacing");
            self.stop();
        }
    }

    fn restart(&mut self) {
        if let Err(error) = self.start() {
            self.message = Some(format!("{error:#}"));
        }
    }

    /// Looks what the server does, and what comes when it has ended.
    fn tick(&mut self) {
        let Some(server) = &mut self.server else {
            return;
        };
        if let Some(status) = server.update(&mut self.model) {
            self.server = None;
            self.has_ended(status);
        } else if let Some(address) = self.model.address {
            self.options.keep_port(address.port());
            if !self.stopping {
                self.script.aim(Some(address));
            }
        }
    }

    fn has_ended(&mut self, status: ExitStatus) {
        self.script.aim(None);
        self.summaries.extend(self.model.summary.clone());
        if self.stopping {
            if !self.quitting {
                self.restart();
            }
            return;
        }
        // The server has ended by itself, or another process has ended it.
        let language = self.look.language;
        let name = self.model.approach.program();
        let error = self.model.lines.iter().find(|(error, _)| *error);
        let how = if let Some(signal) = status.signal() {
            Signal::try_from(signal)
                .map_or_else(|_| signal.to_string(), |it| it.to_string())
        } else if let Some((_, line)) = error {
            line.clone()
        } else {
            let code = status.code().unwrap_or(0);
            words::say(language, "watch.status", context! { code })
        };
        let ended = context! { name, how => &how };
        let text = words::say(language, "watch.ended", ended);
        let code = u8::try_from(status.code().unwrap_or(1)).unwrap_or(1);
        if self.model.address.is_none() && self.summaries.is_empty() {
            // A server that has never listened has nothing to show.
            self.quitting = true;
            self.failure = Some((how, code));
            return;
        }
        let keys = words::word(language, "watch.leave");
        self.message = Some(format!("{text}; {keys}"));
        if code != 0 || self.model.address.is_none() {
            self.failure = Some((text, 1));
        }
    }

    /// Whether there is nothing left to do.
    fn is_over(&self) -> bool {
        self.quitting && self.server.is_none()
    }

    /// The last line of each server that was shown, and the errors.
    pub fn end(self) -> (Vec<String>, Option<(String, u8)>) {
        (self.summaries, self.failure)
    }

    /// Draws the picture of now, or the one that stands still.
    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let (model, now) = match &self.frozen {
            Some((model, now)) => (model, *now),
            None => (&self.model, self.clock.elapsed()),
        };
        let screen = Screen {
            look: self.look,
            model,
            options: &self.shown,
            now,
            cell: Duration::from_millis(SCALES[self.scale]),
            paused: self.frozen.is_some(),
            help: self.help,
            message: self.message.as_deref(),
            roles: &self.script.roles(),
        };
        screen.draw(area, buffer);
    }

    /// Shows it on the terminal until the teacher leaves.
    ///
    /// # Errors
    ///
    /// When the terminal fails.
    pub fn show(&mut self, panics: bool) -> Result<()> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        // This also restores the terminal after a panic of any thread.
        let mut terminal =
            ratatui::try_init().context("preparing the terminal")?;
        let result = self.show_on(&mut terminal, &asked, panics);
        ratatui::restore();
        result
    }

    fn show_on(
        &mut self,
        terminal: &mut ratatui::DefaultTerminal,
        asked: &AtomicBool,
        panics: bool,
    ) -> Result<()> {
        loop {
            self.tick();
            if self.is_over() {
                return Ok(());
            }
            terminal
                .draw(|frame| self.draw(frame.area(), frame.buffer_mut()))
                .context("drawing")?;
            assert!(!panics, "asked to panic");
            if asked.swap(false, Ordering::Relaxed) {
                self.quit();
            }
            let interrupted =
                |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
            // Reading keys from a terminal that has gone would never end, so
            // crossterm is asked only after this.
            ensure!(wait_for_keys(), "the terminal has gone");
            match event::poll(AT_ONCE) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) if interrupted(&error) => continue,
                Err(error) => return Err(error).context("reading keys"),
            }
            if let Event::Key(key) = event::read().context("reading keys")? {
                self.press(key);
            }
        }
    }

    /// Plays one round of the script, and returns the screen at the moment
    /// when all clients have gone but the slow one.
    ///
    /// # Errors
    ///
    /// When the server does not start, or the round does not end.
    pub fn one_round(&mut self, area: Rect) -> Result<Buffer> {
        const LONGEST: Duration = Duration::from_secs(60);
        self.scale = SCALE - 1;
        loop {
            std::thread::sleep(Duration::from_millis(10));
            self.tick();
            if self.server.is_none() {
                let how = self.failure.as_ref().map(|it| it.0.as_str());
                bail!("{}", how.unwrap_or("the server has ended"));
            }
            if self.model.served >= 4 && self.model.active <= 1 {
                break;
            }
            ensure!(self.clock.elapsed() < LONGEST, "the round does not end");
        }
        let mut buffer = Buffer::empty(area);
        self.draw(area, &mut buffer);
        self.quit();
        while !self.is_over() {
            self.tick();
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(buffer)
    }
}

/// Waits for a key, at most for the time of a picture; says whether the
/// terminal that keys come from still exists.
fn wait_for_keys() -> bool {
    let keys = io::stdin();
    let mut fds = [PollFd::new(keys.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(FRAME).unwrap_or(PollTimeout::ZERO);
    // An error is a signal: a stop, or another size of the terminal.
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    poll(&mut fds, limit).is_err()
        || !fds[0].revents().is_some_and(|it| it.intersects(gone))
}
