//! YAML with lines: Compose files and Kubernetes manifests.
//!
//! The parser is saphyr's; this room turns its events into a tree in which each node knows its line, resolves anchors and
//! merge keys, and bounds both: whoever wrote the file may have meant to harm its reader.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle};

/// So deep may nodes lie in one another.
const DEEPEST: usize = 64;
/// So many nodes may a file have, with those that an alias repeats.
const MOST_NODES: usize = 200_000;
/// So many bytes of text may a file have, with those that an alias repeats.
const MOST_BYTES: usize = 16 << 20;

/// One file: its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The documents, in their order; those without content are left out.
    pub documents: Vec<Node>,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, a number, a truth value or nothing.
    Scalar {
        /// As a reader gets it.
        text: String,
        /// It was written without quotes and not as a block, so that it may be something else than text.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the file; a merge key has become the keys that it stands for.
    Mapping(Vec<(Node, Node)>),
}

impl File {
    /// The file, if `text` is a Compose file or holds objects of Kubernetes.
    pub fn recognise(text: &str) -> Option<Self> {
        let telling = ["services:", "apiVersion:", "kind:", "- apiVersion:", "- kind:"];
        if !text.lines().any(|line| telling.iter().any(|key| line.starts_with(key))) {
            return None;
        }
        let file = Self::read(text)?;
        let known = |node: &Node| is_compose(node) || is_object(node);
        file.documents.iter().any(|node| known(node) || node.items().iter().any(known)).then_some(file)
    }

    /// The documents of `text`; `None` where it is no YAML or goes beyond the bounds.
    fn read(text: &str) -> Option<Self> {
        let mut tree = Tree::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.ok()?;
            tree.take(event, span.start.line())?;
        }
        Some(Self { documents: tree.documents })
    }

    /// The objects of Kubernetes in it, those in a List too.
    pub fn objects(&self) -> impl Iterator<Item = &Node> {
        let whole = |node: &'_ Node| is_object(node) && node.get("kind").and_then(Node::text) != Some("List");
        self.documents.iter().flat_map(move |node| {
            let listed = node.get("items").unwrap_or(node).items();
            std::iter::once(node).chain(listed).filter(move |node| whole(node))
        })
    }

    /// The Compose files in it.
    pub fn projects(&self) -> impl Iterator<Item = &Node> {
        self.documents.iter().filter(|node| is_compose(node))
    }
}

fn is_compose(node: &Node) -> bool {
    // A template that is still to be filled in has something else there.
    let is_service =
        |(name, service): &(Node, Node)| name.text().is_some() && matches!(service.content, Content::Mapping(_));
    let services = node.get("services").map(Node::entries).unwrap_or_default();
    !services.is_empty() && services.iter().all(is_service) && node.get("apiVersion").is_none()
}

fn is_object(node: &Node) -> bool {
    ["apiVersion", "kind"].iter().all(|key| node.get(key).is_some_and(|value| value.text().is_some()))
}

impl Node {
    /// The value of `key` in a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The members of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Keys and values of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Self, Self)] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it is written as a true value.
    pub fn is_true(&self) -> bool {
        matches!(self.text(), Some("true" | "True" | "TRUE"))
    }

    /// How many nodes and how many bytes of text it has with all below it.
    fn size(&self) -> (usize, usize) {
        let sum = |(a, b): (usize, usize), (c, d): (usize, usize)| (a + c, b + d);
        match &self.content {
            Content::Scalar { text, .. } => (1, text.len()),
            Content::Sequence(items) => items.iter().map(Self::size).fold((1, 0), sum),
            Content::Mapping(entries) => {
                entries.iter().map(|(key, value)| sum(key.size(), value.size())).fold((1, 0), sum)
            }
        }
    }
}

/// A list or mapping that has begun.
struct Open {
    line: usize,
    anchor: usize,
    is_mapping: bool,
    nodes: Vec<Node>,
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    bytes: usize,
}

impl Tree {
    /// One event; `None` where a bound is passed.
    fn take(&mut self, event: Event<'_>, line: usize) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let bytes = text.len();
                let content = Content::Scalar { text: text.into_owned(), plain };
                self.put(Node { line, content }, anchor, (1, bytes))
            }
            Event::Alias(anchor) => {
                // The line is that of the alias: there the reader looks.
                let known = self.anchors.get(&anchor)?;
                let size = known.size();
                let node = Node { line, ..known.clone() };
                self.put(node, 0, size)
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(line, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { line, anchor, is_mapping, nodes } = self.open.pop()?;
                let content = if is_mapping { Content::Mapping(merged(nodes)) } else { Content::Sequence(nodes) };
                // What is inside was counted when it came.
                self.put(Node { line, content }, anchor, (1, 0))
            }
            _ => Some(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, is_mapping: bool) -> Option<()> {
        self.open.push(Open { line, anchor, is_mapping, nodes: Vec::new() });
        (self.open.len() <= DEEPEST).then_some(())
    }

    fn put(&mut self, node: Node, anchor: usize, cost: (usize, usize)) -> Option<()> {
        self.nodes += cost.0;
        self.bytes += cost.1;
        if anchor != 0 {
            let (nodes, bytes) = node.size();
            self.nodes += nodes;
            self.bytes += bytes;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.documents.push(node),
        }
        (self.nodes <= MOST_NODES && self.bytes <= MOST_BYTES).then_some(())
    }
}

/// Keys and values from a list in which they follow one another. `<<` gives the keys that stand nowhere else.
fn merged(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut entries = Vec::new();
    let mut borrowed = Vec::new();
    let mut nodes = nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        if key.text() == Some("<<") { borrowed.push(value) } else { entries.push((key, value)) }
    }
    if borrowed.is_empty() {
        return entries;
    }
    let mut known: HashSet<String> = entries.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect();
    for source in &borrowed {
        let several = if source.items().is_empty() { std::slice::from_ref(source) } else { source.items() };
        for (key, value) in several.iter().flat_map(Node::entries) {
            if key.text().is_some_and(|key| known.insert(key.to_owned())) {
                entries.push((key.clone(), value.clone()));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_the_line_on_which_it_stands() {
        let text = "services:\n  mq:\n    image: rabbitmq:4\n    volumes:\n      - ./a:/b # c\n      - \"./d:/e\"\n    x: |\n      one\n      two\n    y: 1\n";
        let file = File::recognise(text).expect("a Compose file");
        let mq = file.documents[0].at(&["services", "mq"]).expect("a service");
        assert_eq!(mq.get("image").map(|node| (node.line, node.text())), Some((3, Some("rabbitmq:4"))));
        let volumes = mq.get("volumes").expect("volumes").items();
        assert_eq!(volumes.iter().map(|node| node.line).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(mq.get("x").and_then(Node::text), Some("one\ntwo\n"));
        assert_eq!(mq.get("y").map(|node| node.line), Some(10));
    }

    #[test]
    fn documents_lists_anchors_and_merge_keys_are_read() {
        let text = "x: &base {user: '999', image: a}\nservices:\n  one: {<<: *base, image: b}\n  two: *base\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n---\n- apiVersion: v1\n  kind: ConfigMap\n";
        let file = File::recognise(text).expect("recognised");
        let services = file.projects().next().and_then(|node| node.get("services")).expect("services");
        assert_eq!(services.at(&["one", "image"]).and_then(Node::text), Some("b"));
        assert_eq!(services.at(&["one", "user"]).and_then(Node::text), Some("999"));
        assert_eq!(services.get("two").map(|node| node.line), Some(4));
        let kinds: Vec<_> = file.objects().filter_map(|node| node.get("kind")?.text()).collect();
        assert_eq!(kinds, ["Secret", "ConfigMap"]);
    }

    #[test]
    fn other_files_are_not_taken() {
        for text in [
            "",
            "services:\n",
            "services: [a, b]\n",
            "kind: x\n",
            "services = none\nkind: of\n",
            "apiVersion: v1\n",
            "services:\n\tmq: {}\n",
            "services: {{ .Values.x }}\n",
            "services:\n  a: *nowhere\n",
        ] {
            assert_eq!(File::recognise(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_that_grows_without_end_is_given_up() {
        let deep = format!("services: {}\n", "[".repeat(100_000));
        assert_eq!(File::recognise(&deep), None);
        let deep = format!("services:\n  a: {}{}\n", "{b: ".repeat(100), "}".repeat(100));
        assert_eq!(File::recognise(&deep), None);
        let mut bomb = String::from("services:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..30 {
            let alias = format!("*a{}", level - 1);
            bomb += &format!("  a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(", "));
        }
        assert_eq!(File::recognise(&bomb), None);
        let merged =
            format!("services:\n  a: &a {{x: \"{}\"}}\n{}", "y".repeat(100_000), "  b: {<<: *a}\n".repeat(1000));
        assert_eq!(File::recognise(&merged), None);
    }
}
