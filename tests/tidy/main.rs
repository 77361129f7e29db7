//! Reads our own manifests and sources: dependencies point one way, the list of what is served is true, one API is one file with the same
//! name on both sides, Kafka's error codes stay with the handlers, and the house keeps its shape (`shape`).

mod shape;
mod sources;

use std::collections::BTreeSet;

use sources::{module, production, read, sources};

/// The part of a manifest from `[dependencies]` to the next table.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 5] = [
        ("protocol", &[]),
        ("client", &["protocol"]),
        ("broker", &["protocol"]),
        ("processor", &["client"]),
        ("admin", &["broker", "client", "processor"]),
    ];
    for (room, allowed) in allowed {
        let manifest = read(&format!("{room}/Cargo.toml"));
        for name in dependencies(&manifest).into_iter().filter_map(|name| name.strip_prefix("millstream-")) {
            assert!(allowed.contains(&name), "{room} must not depend on {name}");
        }
    }
}

#[test]
fn each_heavy_library_is_named_in_one_room() {
    for (library, rooms) in [("datafusion", &["processor"][..]), ("bincode", &["broker"]), ("memmap2", &["broker"])] {
        for room in ["protocol", "client", "broker", "processor", "admin"] {
            let is_named = dependencies(&read(&format!("{room}/Cargo.toml"))).contains(&library);
            assert_eq!(is_named, rooms.contains(&room), "{library} in {room}");
        }
    }
}

#[test]
fn every_served_api_has_its_files_and_its_row() {
    let (api, support, dispatch) = (read("protocol/src/api.rs"), read("protocol/SUPPORT.md"), read("broker/src/dispatch.rs"));
    let mut names = BTreeSet::new();
    for line in api.lines().filter(|line| line.contains(", advertised ") && !line.contains('$')) {
        let name = line.split('=').next().unwrap_or_default().trim().to_owned();
        assert!(support.contains(&format!("| {name} |")), "{name} is missing in protocol/SUPPORT.md");
        assert!(dispatch.contains(&format!("Request::{name}(")), "{name} is not dispatched");
        names.insert(name);
    }
    assert!(names.len() >= 18);
    let rows = support.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| API")).count();
    assert_eq!(rows, names.len(), "SUPPORT.md lists something that is not served");
}

/// `ApiKey::AddPartitionsToTxn` is `add_partitions_to_txn.rs`.
fn file_name(api: &str) -> String {
    let mut name = String::new();
    for letter in api.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name + ".rs"
}

#[test]
fn one_api_is_one_file_with_the_same_name_on_both_sides() {
    let names = |folder: &str| -> BTreeSet<String> {
        sources(folder).into_keys().filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect()
    };
    let (messages, handlers) = (names("protocol/src/message"), names("broker/src/api"));
    let api = read("protocol/src/api.rs");
    for line in api.lines().filter(|line| line.contains(", advertised ") && !line.contains('$')) {
        let file = file_name(line.split('=').next().unwrap_or_default().trim());
        assert!(messages.contains(&file), "protocol/src/message has no {file}");
        assert!(handlers.contains(&file), "broker/src/api has no {file}");
    }
}

/// The parts of the broker that say what went wrong in their own words.
const WITHOUT_CODES: [&str; 9] = ["catalog", "dynamic", "fetch_session", "group", "journal", "log", "partition", "share", "transaction"];

/// `broker/src/api/wire_code.rs` alone has the code for each of their errors.
#[test]
fn only_handlers_speak_kafkas_error_codes() {
    let (mut seen, mut speaking) = (BTreeSet::new(), Vec::new());
    for (file, source) in sources("broker/src") {
        let path = module(&file);
        let Some(part) = WITHOUT_CODES.into_iter().find(|part| path.first().is_some_and(|first| first == part)) else { continue };
        seen.insert(part);
        if path.last().is_some_and(|name| name == "tests") {
            continue;
        }
        let lines = (1..).zip(production(&source).lines());
        let named = lines.filter(|(_, line)| line.contains("ErrorCode") || line.contains(".code()"));
        speaking.extend(named.map(|(at, line)| format!("broker/src/{file}:{at}: {}", line.trim())));
    }
    assert_eq!(seen.len(), WITHOUT_CODES.len(), "a part of the broker has another name: {seen:?}");
    assert!(speaking.is_empty(), "{}", speaking.join("\n"));
}

/// A bound is found, and compared with the others, where all of a crate's are.
#[test]
fn bounds_of_a_crate_are_in_one_place() {
    for room in ["protocol", "client", "broker", "processor"] {
        for (file, source) in sources(&format!("{room}/src")) {
            let is_bound = |line: &&str| {
                let name = line.split("const ").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or_default();
                (line.starts_with("const ") || line.starts_with("pub")) && (name.ends_with("_MAX") || name.ends_with("_MIN"))
            };
            let bounds: Vec<&str> = production(&source).lines().filter(is_bound).collect();
            if file == "limit.rs" {
                assert!(!bounds.is_empty() && source.contains("const _: () = assert!("), "{room}: bounds, and how they relate");
            } else {
                assert!(bounds.is_empty(), "{room}/src/{file} has a bound of its own: {bounds:?}");
            }
        }
    }
}
