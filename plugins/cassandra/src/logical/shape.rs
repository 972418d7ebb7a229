//! What the columns of a table mean for reading and writing its rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schema::names::{plain, qualified, quote_name};
use crate::schema::{Column, ColumnKind};

/// What a value of a column is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cells {
    /// One cell, with one time: simple types and everything frozen.
    Single,
    /// A number that is only added to.
    Counter,
    /// A cell for each element.
    List,
    /// A cell for each element.
    Set,
    /// A cell for each key.
    Map,
    /// A cell for each field of a user-defined type; their names.
    Fields(Vec<String>),
}

/// A column that is not of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its name.
    pub name: String,
    /// Its type in CQL.
    #[serde(rename = "type")]
    pub cql_type: String,
    /// What a value is made of.
    pub cells: Cells,
}

/// A table's columns. Its JSON is the first line of the archived rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Shape {
    /// Columns of the partition key.
    pub partition_key: Vec<Key>,
    /// Columns that order the rows of a partition.
    pub clustering: Vec<Key>,
    /// Columns of partitions.
    pub statics: Vec<Cell>,
    /// Columns of rows.
    pub regulars: Vec<Cell>,
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its type in CQL.
    #[serde(rename = "type")]
    pub cql_type: String,
}

impl Shape {
    /// Of columns in their order; `fields` are those of the keyspace's types.
    pub fn new(columns: &[Column], fields: &BTreeMap<String, Vec<String>>) -> Self {
        let mut shape = Self::default();
        for column in columns {
            let (name, cql_type) = (column.name.clone(), column.cql_type.clone());
            let cells = cells(&cql_type, fields);
            match column.kind {
                ColumnKind::PartitionKey => shape.partition_key.push(Key { name, cql_type }),
                ColumnKind::Clustering => shape.clustering.push(Key { name, cql_type }),
                ColumnKind::Static => shape.statics.push(Cell { name, cql_type, cells }),
                ColumnKind::Regular => shape.regulars.push(Cell { name, cql_type, cells }),
            }
        }
        shape
    }

    /// Columns of the key, those of the partition first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.partition_key.iter().chain(&self.clustering)
    }

    /// The other columns, in the order of the values in [`Shape::select`].
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.statics.iter().chain(&self.regulars)
    }

    /// Whether the table holds counters.
    pub fn has_counters(&self) -> bool {
        self.cells().any(|cell| cell.cells == Cells::Counter)
    }

    /// The statement that reads all rows, or those of the tokens in `(?, ?]`. Each column that is not of the key has its time and the
    /// rest of its life behind it, where [`Cell::has_times`].
    pub fn select(&self, keyspace: &str, table: &str, by_token: bool, of_elements: bool) -> String {
        let mut columns: Vec<String> = self.keys().map(|key| quote_name(&key.name)).collect();
        for cell in self.cells() {
            let name = quote_name(&cell.name);
            if cell.has_times(of_elements) {
                columns.push(format!("{name}, writetime({name}), ttl({name})"));
            } else {
                columns.push(name);
            }
        }
        let columns = columns.join(", ");
        let bounds = if by_token {
            let key: Vec<String> =
                self.partition_key.iter().map(|key| quote_name(&key.name)).collect();
            let token = format!("token({})", key.join(", "));
            format!(" WHERE {token} > ? AND {token} <= ?")
        } else {
            String::new()
        };
        format!("SELECT {columns} FROM {}{bounds}", qualified(keyspace, table))
    }
}

impl Cell {
    /// Whether the server tells when values were written; `of_elements`: of elements too.
    pub fn has_times(&self, of_elements: bool) -> bool {
        match self.cells {
            Cells::Single => true,
            Cells::Counter => false,
            Cells::List | Cells::Set | Cells::Map | Cells::Fields(_) => of_elements,
        }
    }
}

fn cells(cql_type: &str, fields: &BTreeMap<String, Vec<String>>) -> Cells {
    match cql_type {
        "counter" => Cells::Counter,
        text if text.starts_with("list<") => Cells::List,
        text if text.starts_with("set<") => Cells::Set,
        text if text.starts_with("map<") => Cells::Map,
        // Frozen types, tuples and vectors have brackets, so that they are no names.
        text => match fields.get(&plain(text)) {
            Some(fields) => Cells::Fields(fields.clone()),
            None => Cells::Single,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_selected_with_their_times() {
        let column = |name: &str, kind, cql_type: &str| Column {
            name: name.to_owned(),
            kind,
            cql_type: cql_type.to_owned(),
        };
        let fields = BTreeMap::from([("Addr".to_owned(), vec!["street".to_owned()])]);
        let columns = [
            column("k", ColumnKind::PartitionKey, "int"),
            column("c", ColumnKind::Clustering, "text"),
            column("s", ColumnKind::Static, "frozen<list<int>>"),
            column("a", ColumnKind::Regular, "\"Addr\""),
            column("m", ColumnKind::Regular, "map<int, int>"),
        ];
        let shape = Shape::new(&columns, &fields);
        assert_eq!(
            shape.select("ks", "t", true, false),
            "SELECT \"k\", \"c\", \"s\", writetime(\"s\"), ttl(\"s\"), \"a\", \"m\" FROM \"ks\".\"t\" \
             WHERE token(\"k\") > ? AND token(\"k\") <= ?"
        );
        assert!(shape.select("ks", "t", false, true).contains("ttl(\"m\")"));
        assert_eq!(shape.regulars[0].cells, Cells::Fields(vec!["street".to_owned()]));
        let json = serde_json::to_string(&shape).unwrap();
        assert_eq!(serde_json::from_str::<Shape>(&json).unwrap(), shape);
    }
}
