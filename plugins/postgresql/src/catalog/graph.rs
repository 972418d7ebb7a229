//! What needs what, and the order that follows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lockgate_plugin::Filter;

use crate::catalog::definition::{Definition, Stage};

/// An object as `pg_depend` names it, or an aspect of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The system catalog.
    pub class: String,
    /// The number in it.
    pub oid: u32,
    /// Of an aspect that is made by itself; else 0.
    pub sub: u32,
}

/// A definition among others.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub key: Key,
    /// Position of its kind: among what can be made, the lower is made first.
    pub rank: usize,
    /// Number of the table that it belongs to.
    pub belongs: Option<u32>,
    /// What it is.
    pub definition: Definition,
    /// What it needs.
    pub needs: BTreeSet<usize>,
    /// Whether it is part of the backup.
    pub is_taken: bool,
}

/// All definitions of a database.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_key: HashMap<Key, usize>,
    aliases: HashMap<Key, Key>,
    /// Keys of what extensions bring.
    members: BTreeSet<usize>,
}

impl Graph {
    /// Adds a definition.
    pub fn add(&mut self, node: Node) {
        self.by_key.insert(node.key.clone(), self.nodes.len());
        self.nodes.push(node);
    }

    /// Says that one object stands for another. That of an extension stands for what it brings.
    pub fn alias(&mut self, from: Key, to: Key) {
        if to.class == "pg_extension" {
            if let Some(member) = self.by_key.remove(&from) {
                self.members.insert(member);
            }
            self.aliases.insert(from, to);
        } else {
            self.aliases.entry(from).or_insert(to);
        }
    }

    /// Says that one object needs another, in the way of `pg_depend.deptype`.
    pub fn depend(&mut self, from: &Key, to: &Key, way: &str) {
        // That a partition, or its index, has a parent is a definition by itself.
        let attachment = Key { sub: 2, ..from.clone() };
        let (Some(from), Some(to)) = (self.find(from), self.find(to)) else { return };
        let kind = |index: usize| self.nodes.get(index).map(|node| node.definition.kind.as_str());
        let is_apart = match (kind(from), kind(to)) {
            // That a column owns it is a definition by itself.
            (Some("sequence"), Some("table")) => way == "a",
            (Some("table"), Some("table")) if way != "n" => {
                self.attach(&attachment, to);
                true
            }
            (Some("index" | "key"), Some("index" | "key")) => {
                self.attach(&attachment, to);
                true
            }
            _ => false,
        };
        if from != to && !is_apart {
            self.need(from, to);
        }
    }

    fn attach(&mut self, attachment: &Key, parent: usize) {
        if let Some(attachment) = self.by_key.get(attachment) {
            self.need(*attachment, parent);
        }
    }

    fn need(&mut self, from: usize, to: usize) {
        if let Some(node) = self.nodes.get_mut(from) {
            node.needs.insert(to);
        }
    }

    fn find(&self, key: &Key) -> Option<usize> {
        let mut key = key;
        // An alias of an alias: the array of a multirange, the index of a constraint of an extension.
        for _ in 0..4 {
            match self.by_key.get(key) {
                Some(index) => return Some(*index),
                None => key = self.aliases.get(key)?,
            }
        }
        None
    }

    /// Adds what `pg_depend` does not say, and names the tables.
    pub fn complete(&mut self) {
        let mut tables: HashMap<u32, usize> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.definition.kind == "table" && !self.members.contains(&index) {
                tables.insert(node.key.oid, index);
            }
        }
        let mut edges = Vec::new();
        let mut of_members = Vec::new();
        let mut checks: HashMap<usize, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let table = match node.belongs {
                Some(oid) => match tables.get(&oid) {
                    Some(table) => Some(*table),
                    None => {
                        of_members.push(index);
                        continue;
                    }
                },
                None => None,
            };
            let own = Key { sub: 0, ..node.key.clone() };
            if node.key.sub != 0 {
                edges.extend(self.find(&own).map(|whole| (index, whole)));
            }
            if let Some(table) = table.filter(|table| *table != index) {
                edges.push((index, table));
                if node.definition.kind == "check" {
                    checks.entry(table).or_default().push(index);
                }
            }
        }
        self.members.extend(of_members);
        edges.iter().for_each(|(from, to)| self.need(*from, *to));
        self.name_tables(&tables);
        self.order_checks(&checks);
        self.order_partitions();
        self.order_refreshes();
    }

    fn name_tables(&mut self, tables: &HashMap<u32, usize>) {
        let names: HashMap<u32, (String, String)> = tables
            .iter()
            .filter_map(|(oid, index)| {
                let table = &self.nodes.get(*index)?.definition;
                Some((*oid, (table.schema.clone(), table.name.clone())))
            })
            .collect();
        for node in &mut self.nodes {
            node.definition.table = node.belongs.and_then(|oid| names.get(&oid).cloned());
        }
    }

    /// A table that inherits is made after the checks that it inherits.
    fn order_checks(&mut self, checks: &HashMap<usize, Vec<usize>>) {
        let mut edges = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.definition.kind == "table" {
                let parents = node.needs.iter().filter_map(|parent| checks.get(parent));
                edges.extend(parents.flatten().map(|check| (index, *check)));
            }
        }
        edges.iter().for_each(|(from, to)| self.need(*from, *to));
    }

    /// A partition is attached when it has its checks.
    fn order_partitions(&mut self) {
        let mut edges = Vec::new();
        let mut attachments: HashMap<u32, usize> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.definition.kind == "attach" {
                attachments.insert(node.key.oid, index);
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let attachment = node.belongs.and_then(|table| attachments.get(&table));
            if let (Some(attachment), "check") = (attachment, node.definition.kind.as_str()) {
                edges.push((*attachment, index));
            }
        }
        edges.iter().for_each(|(from, to)| self.need(*from, *to));
    }

    /// A materialised view is filled after those that it reads, through other views too.
    fn order_refreshes(&mut self) {
        let mut contents: HashMap<usize, usize> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.definition.kind == "refresh" {
                let view = self.find(&Key { sub: 0, ..node.key.clone() });
                contents.extend(view.map(|view| (view, index)));
            }
        }
        let mut edges = Vec::new();
        for (view, content) in &contents {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*view]);
            while let Some(node) = open.pop().and_then(|index| self.nodes.get(index)) {
                for need in &node.needs {
                    let is_view = |node: &&Node| node.definition.kind == "view";
                    if seen.insert(*need) && self.nodes.get(*need).filter(is_view).is_some() {
                        open.push(*need);
                        edges.extend(contents.get(need).map(|other| (*content, *other)));
                    }
                }
            }
        }
        edges.iter().filter(|(from, to)| from != to).for_each(|(from, to)| self.need(*from, *to));
    }

    /// Marks what the filter takes and what that needs. A table is never taken because something needs it.
    pub fn take(&mut self, filter: &Filter) {
        let mut open = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Definition { kind, schema, name, table, .. } = &node.definition;
            let is_wanted = match (kind.as_str(), table) {
                ("schema", _) => filter.takes(name),
                (_, Some((schema, table))) => filter.takes_in(schema, table),
                ("extension", _) => filter.include.is_empty(),
                _ if schema.is_empty() => filter.include.is_empty(),
                _ => filter.takes_in(schema, name),
            };
            if is_wanted && !self.members.contains(&index) {
                open.push(index);
            }
        }
        while let Some(index) = open.pop() {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            if std::mem::replace(&mut node.is_taken, true) {
                continue;
            }
            let needs: Vec<usize> = node.needs.iter().copied().collect();
            let is_free = |need: &usize| {
                let node = self.nodes.get(*need);
                node.is_some_and(|node| node.belongs.is_none()) && !self.members.contains(need)
            };
            open.extend(needs.into_iter().filter(is_free));
        }
    }

    /// Leaves out what needs a table that is not taken, and names it.
    pub fn leave_out(&mut self) -> Vec<String> {
        let mut left_out = Vec::new();
        loop {
            let is_missing = |need: &usize| {
                let needed = self.nodes.get(*need);
                needed.is_some_and(|node| !node.is_taken) && !self.members.contains(need)
            };
            let lacking: Vec<usize> = (0..self.nodes.len())
                .filter(|index| {
                    self.nodes
                        .get(*index)
                        .is_some_and(|node| node.is_taken && node.needs.iter().any(is_missing))
                })
                .collect();
            if lacking.is_empty() {
                return left_out;
            }
            for index in lacking {
                if let Some(node) = self.nodes.get_mut(index) {
                    node.is_taken = false;
                    left_out.push(node.definition.address.clone());
                }
            }
        }
    }

    /// The definitions that are taken in an order in which they can be made, and the addresses at which circles were broken.
    pub fn into_order(mut self) -> (Vec<Definition>, Vec<String>) {
        let names: Vec<String> =
            self.nodes.iter().map(|node| node.definition.address.clone()).collect();
        let mut dependents: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut waiting: HashMap<usize, usize> = HashMap::new();
        let mut ready = BTreeSet::new();
        let mut blocked: BTreeSet<Place> = BTreeSet::new();
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_taken) {
            let is_counted =
                |need: &&usize| self.nodes.get(**need).is_some_and(|node| node.is_taken);
            let needs: Vec<usize> = node.needs.iter().filter(is_counted).copied().collect();
            if needs.is_empty() {
                ready.insert(place(node, index));
            } else {
                blocked.insert(place(node, index));
                waiting.insert(index, needs.len());
                needs.iter().for_each(|need| dependents.entry(*need).or_default().push(index));
            }
        }
        let (mut ordered, mut circles, mut stages) = (Vec::new(), Vec::new(), BTreeMap::new());
        loop {
            let next = ready.pop_first().or_else(|| {
                // Only a circle is left: it is broken at what is usually made first.
                let first = blocked.pop_first()?;
                circles.push(names.get(first.3).cloned().unwrap_or_default());
                Some(first)
            });
            let Some((.., index)) = next else { break };
            waiting.remove(&index);
            let Some(node) = self.nodes.get_mut(index) else { continue };
            let latest = node.needs.iter().filter_map(|need| stages.get(need)).max().copied();
            node.definition.stage = later(node.definition.stage, latest, node.belongs.is_some());
            stages.insert(index, node.definition.stage);
            node.definition.needs =
                node.needs.iter().filter_map(|need| names.get(*need).cloned()).collect();
            ordered.push(node.definition.clone());
            for dependent in dependents.remove(&index).unwrap_or_default() {
                let Some(count) = waiting.get_mut(&dependent) else { continue };
                *count -= 1;
                if *count == 0
                    && let Some(node) = self.nodes.get(dependent)
                {
                    blocked.remove(&place(node, dependent));
                    ready.insert(place(node, dependent));
                }
            }
        }
        (ordered, circles)
    }
}

/// Among what can be made: kind, schema, address, index.
type Place = (usize, String, String, usize);

fn place(node: &Node, index: usize) -> Place {
    (node.rank, node.definition.schema.clone(), node.definition.address.clone(), index)
}

/// What needs something that is made later is made later too: a view may need the primary key of its table.
fn later(own: Stage, needed: Option<Stage>, is_of_table: bool) -> Stage {
    match needed {
        Some(Stage::Table) if !is_of_table => Stage::After,
        Some(needed) => own.max(needed),
        None => own,
    }
}
