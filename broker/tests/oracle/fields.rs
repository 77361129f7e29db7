//! An answer as a tree of its fields, so that two can be compared field by field whatever message they are.

use std::collections::BTreeSet;

/// Part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Leaf(String),
    /// A struct, with its fields by name; or a list, whose order is free, with its elements under the name "".
    Branch(Vec<(String, Node)>),
}

/// Reads what `{:#?}` prints of any answer.
pub(crate) fn tree(pretty: &str) -> Node {
    let mut lines = pretty.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    if first.ends_with(['{', '[', '(']) { Node::Branch(branch(&mut lines)) } else { Node::Leaf(first.to_owned()) }
}

fn branch<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<(String, Node)> {
    let mut children = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with(['}', ']', ')']) {
            break;
        }
        let (name, value) = match line.split_once(": ") {
            Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()) => {
                (name, value)
            }
            _ => ("", line),
        };
        let value = value.trim_end_matches(',');
        let node = if value.ends_with(['{', '[', '(']) { Node::Branch(branch(lines)) } else { Node::Leaf(value.to_owned()) };
        children.push((name.to_owned(), node));
    }
    children
}

/// Takes out what differs from run to run, and gives lists an order.
pub(crate) fn normalised(node: Node, is_ignored: &impl Fn(&str) -> bool) -> Node {
    match node {
        Node::Leaf(text) => Node::Leaf(text),
        Node::Branch(children) => {
            let kept = children.into_iter().filter(|(name, _)| !is_ignored(name));
            let mut children: Vec<(String, Node)> = kept.map(|(name, child)| (name, normalised(child, is_ignored))).collect();
            children.sort();
            Node::Branch(children)
        }
    }
}

/// The fields that differ, as `path: ours, Kafka's`.
pub(crate) fn differences(ours: &Node, kafkas: &Node, path: &str, found: &mut BTreeSet<(String, String)>) {
    match (ours, kafkas) {
        (Node::Branch(ours), Node::Branch(kafkas)) => {
            if ours.len() != kafkas.len() || ours.iter().zip(kafkas).any(|((one, _), (other, _))| one != other) {
                let names = |children: &[(String, Node)]| children.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
                let count = |children: &[(String, Node)]| format!("{} {}", children.len(), names(children));
                found.insert((path.to_owned(), format!("{} | {}", count(ours), count(kafkas))));
                return;
            }
            for ((name, ours), (_, kafkas)) in ours.iter().zip(kafkas) {
                let below = if name.is_empty() { path.to_owned() } else { format!("{path}/{name}") };
                differences(ours, kafkas, &below, found);
            }
        }
        (ours, kafkas) if ours == kafkas => {}
        (ours, kafkas) => {
            let short = |node: &Node| format!("{node:?}").chars().take(80).collect::<String>();
            found.insert((path.to_owned(), format!("{} | {}", short(ours), short(kafkas))));
        }
    }
}
