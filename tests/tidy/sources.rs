//! Our own sources, as far as these tests need to understand them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms, and where their sources are.
pub(crate) const ROOMS: [(&str, &str); 6] = [
    ("protocol", "protocol/src"),
    ("client", "client/src"),
    ("broker", "broker/src"),
    ("processor", "processor/src"),
    ("admin", "admin/src"),
    ("millstream", "src"),
];

#[expect(clippy::disallowed_methods, reason = "this test reads the sources")]
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sources below a folder, by their paths from there.
#[expect(clippy::disallowed_methods, reason = "this test reads the sources")]
pub(crate) fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path: PathBuf = entry.expect("a folder's entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("it is below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    found
}

/// What is compiled into the product: no tests at the end of a file.
pub(crate) fn production(source: &str) -> &str {
    source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// A module's path, without the crate: `partition/read.rs` and `partition/mod.rs` are `["partition", "read"]` and `["partition"]`.
pub(crate) fn module(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The paths that a source names: those of `use`, and those that begin with `crate` or `super` elsewhere.
pub(crate) fn paths(source: &str) -> Vec<Vec<String>> {
    let code: String = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("use ") {
        let (before, behind) = rest.split_at(at);
        let is_word = before.chars().next_back().is_none_or(|last| last.is_whitespace() || last == ')');
        let end = behind.find(';').unwrap_or(behind.len());
        if is_word {
            expand(&[], &behind["use ".len()..end], &mut found);
        }
        rest = &behind[if is_word { end } else { "use ".len() }..];
    }
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let path = code[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or_default();
            found.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        }
    }
    found
}

/// Takes the braces of a `use` apart.
fn expand(prefix: &[String], text: &str, to: &mut Vec<Vec<String>>) {
    let (mut depth, mut from) = (0, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let (path, braces) = match part.find('{') {
            Some(at) => (&part[..at], part[at + 1..].strip_suffix('}')),
            None => (part.split(" as ").next().unwrap_or_default(), None),
        };
        let path: Vec<String> =
            prefix.iter().cloned().chain(path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)).collect();
        match braces {
            Some(inner) => expand(&path, inner, to),
            None => to.push(path),
        }
    }
}

/// For each module those that it names.
pub(crate) fn edges(sources: &BTreeMap<String, String>) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let modules: BTreeSet<Vec<String>> = sources.keys().map(|file| module(file)).collect();
    // What a crate hands on by its root is where it came from.
    let root = sources.get("lib.rs").map(|source| paths(production(source))).unwrap_or_default();
    let mut edges = BTreeMap::new();
    for (file, source) in sources {
        let here = module(file);
        let resolve = |path: &[String]| -> Option<Vec<String>> {
            let (mut base, mut path) = (here.clone(), path);
            match path.first()?.as_str() {
                "crate" => {
                    base.clear();
                    path = &path[1..];
                    if let [name] = path
                        && let Some(handed_on) = root.iter().find(|handed_on| handed_on.last() == Some(name))
                    {
                        return (0..handed_on.len()).rev().map(|len| handed_on[..len].to_vec()).find(|path| modules.contains(path));
                    }
                }
                "self" => path = &path[1..],
                "super" => {
                    while path.first().is_some_and(|part| part == "super") {
                        base.pop();
                        path = &path[1..];
                    }
                }
                first => {
                    let child: Vec<String> = here.iter().cloned().chain([first.to_owned()]).collect();
                    if !modules.contains(&child) {
                        return None;
                    }
                }
            }
            let full: Vec<String> = base.into_iter().chain(path.iter().cloned()).collect();
            (0..=full.len()).rev().map(|len| full[..len].to_vec()).find(|path| modules.contains(path))
        };
        let named = paths(production(source)).iter().filter_map(|path| resolve(path)).filter(|path| *path != here).collect();
        edges.insert(here, named);
    }
    edges
}

#[test]
fn a_use_is_taken_apart() {
    let found = paths("use crate::{a::{self, B}, c as d};\npub(crate) use super::e;\nfn f() { crate::g::h(); }\n");
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found[..5], ["crate::a::self", "crate::a::B", "crate::c", "super::e", "crate::"].map(|path| path.trim_end_matches("::")));
    assert!(found.contains(&"crate::g::h".to_owned()));
}
