//! The shape of the house: no circles between the parts of a folder, no function and no file that is longer than one idea.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{ROOMS, edges, module, production, sources};

/// Files may be this long, tests at their end not counted.
const FILE_LINES_MAX: usize = 500;
/// Functions may be this long.
const FUNCTION_LINES_MAX: usize = 70;

/// Longer ones, each with the reason.
const LONG: &[(&str, &str)] = &[("broker/src/dispatch.rs dispatch", "the one match on the API key: a line an API")];

/// The parts of a folder are the files and folders in it. They may use what the folder itself has, and one another in one direction.
#[test]
fn no_part_of_a_folder_uses_one_that_uses_it() {
    let mut circles = Vec::new();
    for (room, folder) in ROOMS {
        let edges = edges(&sources(folder));
        let folders: BTreeSet<Vec<String>> = edges.keys().flat_map(|path| (0..path.len()).map(|len| path[..len].to_vec())).collect();
        for inside in folders {
            let depth = inside.len();
            let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (from, to) in &edges {
                let part = |path: &'_ [String]| (path.len() > depth && path[..depth] == inside[..]).then_some(depth);
                let Some(at) = part(from) else { continue };
                let parts = to.iter().filter(|to| part(to).is_some()).map(|to| to[at].as_str());
                uses.entry(from[at].as_str()).or_default().extend(parts.filter(|to| *to != from[at]));
            }
            for (part, used) in &uses {
                circles.extend(
                    used.iter()
                        .filter(|other| reaches(&uses, other, part))
                        .map(|other| format!("{room}: in /{}, {part} uses {other}, which uses it", inside.join("/"))),
                );
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

fn reaches(uses: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(part) = next.pop() {
        if part == to {
            return true;
        }
        if seen.insert(part) {
            next.extend(uses.get(part).into_iter().flatten());
        }
    }
    false
}

#[test]
fn files_and_functions_are_one_idea_long() {
    let (mut long, mut excused) = (Vec::new(), BTreeSet::new());
    let mut look = |name: String, lines: usize, most: usize| {
        if lines > most {
            match LONG.iter().find(|(known, _)| *known == name) {
                Some((known, _)) => drop(excused.insert(*known)),
                None => long.push(format!("{name} has {lines} lines, {most} at most")),
            }
        }
    };
    for (_, folder) in ROOMS {
        for (file, source) in sources(folder) {
            if module(&file).last().is_some_and(|name| name == "tests") {
                continue;
            }
            let code = production(&source);
            look(format!("{folder}/{file}"), code.lines().count(), FILE_LINES_MAX);
            for (function, lines) in functions(code) {
                look(format!("{folder}/{file} {function}"), lines, FUNCTION_LINES_MAX);
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
    let unneeded: Vec<_> = LONG.iter().filter(|(known, _)| !excused.contains(known)).collect();
    assert!(unneeded.is_empty(), "no reason is needed any more for {unneeded:?}");
}

/// The functions of a source as rustfmt leaves it, and how many lines each has, from its first to its closing brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let Some(name) = text.split("fn ").nth(1).filter(|_| is_function(text)) else { continue };
        let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let end = format!("{}}}", " ".repeat(indent));
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        if let Some(len) = lines[at..].iter().position(|line| *line == end) {
            found.push((name.to_owned(), len + 1));
        }
    }
    found
}

fn is_function(text: &str) -> bool {
    let before = text.split("fn ").next().unwrap_or_default();
    let words = before.split(|c: char| c.is_whitespace() || c == '(' || c == ')').filter(|word| !word.is_empty());
    words.into_iter().all(|word| {
        ["pub", "crate", "super", "in", "async", "const", "unsafe", "extern", "self"].contains(&word) || word.starts_with("crate::")
    })
}

#[test]
fn functions_are_counted() {
    let code = "fn short() {}\n\nimpl A {\n    pub(in crate::b) async fn long(\n        a: i32,\n    ) -> i32 {\n        a\n    }\n}\n";
    assert_eq!(functions(code), [("long".to_owned(), 5)]);
}

/// A search finds the one type that it is for. So it must be the only one of its name.
#[test]
fn no_two_types_of_a_room_have_one_name() {
    let mut homonyms = Vec::new();
    for (room, folder) in ROOMS {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for (file, source) in sources(folder) {
            for name in production(&source).lines().filter_map(declared) {
                if let Some(other) = known.insert(name.to_owned(), file.clone()) {
                    homonyms.push(format!("{room}: {name} is in {other} and in {file}"));
                }
            }
        }
    }
    assert!(homonyms.is_empty(), "{}", homonyms.join("\n"));
}

/// The type that a line at the outermost level declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").map_or(line, |rest| match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')').map_or("", |(_, rest)| rest),
        None => rest,
    });
    let line = if line.starts_with(' ') { line.strip_prefix(' ')? } else { line };
    let name = ["struct ", "enum ", "trait ", "type "].into_iter().find_map(|kind| line.strip_prefix(kind))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}
