//! HTML: how a template is filled and a page is parsed, and the checks of the
//! pages as they are read, mdBook's part included.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use handlebars::Handlebars;
use scraper::{ElementRef, Html, Selector};
use serde::Serialize;

use crate::annotated::escape;
use crate::build::files;
use crate::check::Book;
use crate::directives::annotated_files;
use crate::words::Language;

/// Each line of each annotated file is on its page, once, and the page says
/// nothing else than the file.
///
/// # Errors
///
/// When a line is missing, or a page says something else than its file.
pub fn every_line_once(book: &Book) -> Result<()> {
    let mut wrong = Vec::new();
    let mut pages = 0;
    let chapters = book.root.join("docs/src");
    for chapter in files(&chapters, &["md"])? {
        let text = fs::read_to_string(&chapter)?;
        for file in annotated_files(&text) {
            let source = fs::read_to_string(book.root.join(&file))?;
            let page = chapter.strip_prefix(&chapters)?.with_extension("html");
            for language in Language::ALL {
                let folder = book.output.join(language.pick("", "es"));
                let html = parse(&folder.join(&page))?;
                let translated = language == Language::Spanish;
                for what in compare(&html, &source, translated) {
                    wrong.push(format!("{file} ({}): {what}", language.name()));
                }
                pages += 1;
            }
        }
    }
    ensure!(pages > 0, "there is no annotated page");
    report(&wrong)
}

/// Compares a page with its file; returns what is wrong.
fn compare(page: &Html, source: &str, translated: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for element in page.select(&selector("main [id]")) {
        let id = element.attr("id").unwrap_or_default().to_owned();
        *ids.entry(id).or_default() += 1;
    }
    let mut codes = HashMap::new();
    let inside = selector("code");
    for line in page.select(&selector("main .line[id]")) {
        let code: String =
            line.select(&inside).flat_map(|code| code.text()).collect();
        codes.insert(line.attr("id").unwrap_or_default().to_owned(), code);
    }
    for (number, line) in (1..).zip(source.lines()) {
        let id = format!("L{number}");
        match ids.remove(&id) {
            Some(1) => {}
            None => wrong.push(format!("line {number} is missing")),
            Some(_) => wrong.push(format!("line {number} is twice there")),
        }
        if let Some(code) = codes.get(&id) {
            let rest = line.strip_prefix(code.as_str()).map(str::trim);
            let is_said = rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(['/', '#'])
            });
            if !is_said {
                wrong.push(format!("line {number} has changed: {code}"));
            }
        }
    }
    let is_line = |id: &&String| {
        let number = id.strip_prefix('L');
        number.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for id in ids.keys().filter(is_line) {
        wrong.push(format!("{id} is no line of the file"));
    }
    if !translated {
        let said = page
            .select(&selector(
                ".annotated :is(.banner, .note), .annotated .line code",
            ))
            .map(|element| without_numbers(&element))
            .collect::<Vec<_>>()
            .join(" ");
        let (mut said, mut written) = (words(&said), words(source));
        said.sort_unstable();
        written.sort_unstable();
        let differs = |(said, written): &(&&str, &&str)| said != written;
        if let Some((a, b)) = said.iter().zip(&written).find(differs) {
            wrong
                .push(format!("about {a} or {b} the page says something else"));
        } else if said.len() != written.len() {
            wrong.push("the page says less than the file, or more".into());
        }
    }
    wrong
}

/// The text of a note, without the numbers of lines.
fn without_numbers(element: &ElementRef) -> String {
    let mut text: String = element.text().collect::<Vec<_>>().join("");
    for trailing in element.select(&selector(".trailing")) {
        if let Some(number) = trailing.text().next() {
            text = text.replacen(number.trim(), "", 1);
        }
    }
    text
}

fn words(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Every link leads somewhere, and nothing has to be fetched from elsewhere.
///
/// # Errors
///
/// When a link leads nowhere, or a page fetches something from elsewhere.
pub fn links(book: &Book) -> Result<()> {
    let output = book.output.canonicalize()?;
    let mut pages = HashMap::new();
    for path in files(&output, &["html"])? {
        pages.insert(path.clone(), Page::read(&path)?);
    }
    ensure!(!pages.is_empty(), "there is no page");
    let mut wrong = Vec::new();
    for (path, page) in &pages {
        let relative = path.strip_prefix(&output)?;
        let name = relative.display();
        for (fetched, target) in &page.links {
            if let Some(what) = broken(path, *fetched, target, &pages) {
                wrong.push(format!("{name}: {what}: {target}"));
            }
        }
        for id in &page.twice {
            wrong.push(format!("{name}: two elements are #{id}"));
        }
        // The link to the other language keeps the place only if the place has
        // the same name there.
        if let Some(other) = pages.get(&output.join("es").join(relative)) {
            for id in page.places.symmetric_difference(&other.places) {
                wrong.push(format!("{name}: #{id} is in one language only"));
            }
        } else if !relative.starts_with("es") {
            wrong.push(format!("es/{name} is missing"));
        }
    }
    for path in files(&book.output, &["css"])? {
        let text = fs::read_to_string(&path)?;
        let remote = ["url(http", "url('http", "url(\"http", "url(//"];
        if remote.iter().any(|mark| text.contains(mark)) {
            wrong.push(format!("{} fetches something", path.display()));
        }
    }
    wrong.sort();
    report(&wrong)
}

/// What is wrong with a link, if anything.
fn broken(
    from: &Path,
    fetched: bool,
    target: &str,
    pages: &HashMap<PathBuf, Page>,
) -> Option<&'static str> {
    let scheme = ["http:", "https:", "//", "mailto:"];
    if scheme.iter().any(|scheme| target.starts_with(scheme)) {
        return fetched.then_some("is not on this machine");
    }
    if target.starts_with("data:") {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    // A link to `?teacher` is for the script of the page.
    let path = path.split('?').next().unwrap_or(path);
    let mut to = from.to_owned();
    if !path.is_empty() {
        let Ok(found) = from.parent()?.join(path).canonicalize() else {
            return Some("leads nowhere");
        };
        to = found;
        if to.is_dir() {
            to.push("index.html");
        }
    }
    match pages.get(&to) {
        Some(page) => {
            let found = fragment.is_empty() || page.ids.contains(fragment);
            (!found).then_some("leads to no place of that page")
        }
        None if to.is_file() => None,
        None => Some("leads nowhere"),
    }
}

/// A page: what can be linked, and what it links to.
struct Page {
    ids: HashSet<String>,
    /// The ids that belong to the text.
    places: BTreeSet<String>,
    twice: Vec<String>,
    /// Each target, and whether the browser fetches it to show the page.
    links: Vec<(bool, String)>,
}

impl Page {
    fn read(path: &Path) -> Result<Self> {
        let html = parse(path)?;
        let attributes = |of: &str, name: &str| -> Vec<(bool, String)> {
            let of = selector(of);
            let found = html.select(&of).filter_map(|element| {
                let leads = matches!(element.value().name(), "a" | "area");
                Some((!leads, element.attr(name)?.to_owned()))
            });
            found.collect()
        };
        let mut ids = HashSet::new();
        let mut twice = Vec::new();
        for (_, id) in attributes("[id]", "id") {
            if !ids.insert(id.clone()) {
                twice.push(id);
            }
        }
        let places = attributes("main [id]", "id");
        let places = places.into_iter().map(|(_, id)| id).collect();
        let links =
            ["href", "src"].map(|it| attributes(&format!("[{it}]"), it));
        Ok(Self { ids, places, twice, links: links.concat() })
    }
}

/// Fills a template; what stands between two braces is escaped.
///
/// # Errors
///
/// When the data lacks what the template shows.
pub fn render(template: &str, data: &impl Serialize) -> Result<String> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(escape);
    let text = engine.render_template(template, data)?;
    Ok(text.trim_end().to_owned())
}

/// A page, parsed.
///
/// # Errors
///
/// When there is no such page.
pub fn parse(path: &Path) -> Result<Html> {
    let text =
        fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Html::parse_document(&text))
}

/// A selector of this program.
#[must_use]
pub fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("a selector that is written here")
}

fn report(wrong: &[String]) -> Result<()> {
    let shown = wrong.iter().take(30).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join("\n");
    ensure!(wrong.is_empty(), "{shown}\n{} in all", wrong.len());
    Ok(())
}
