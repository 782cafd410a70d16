//! Which scalars pruning must respect.
//!
//! A stored state matters to a later one only through the values that its continuation depended on: those that decided a
//! branch, bounded an access or became part of an address. To find them without walking instructions backwards, each
//! scalar carries a [`Node`] of a graph of dependences. A node stands for one value in one stored state; its edges lead to
//! the values in earlier stored states from which it was computed. Marking a node marks all that it depends on.
//!
//! * Moves and operations with constants keep the node: the result is as precise as its operand must be.
//! * Operations on two scalars join two nodes.
//! * Storing a state gives each live scalar a node of its own, depending on the old one: so what happens after one stored
//!   state says nothing about others that share the value.
//!
//! * A path that ends at a state whose continuation is not known yet depends on whatever that will turn out to depend on:
//!   [`Precision::follow`] keeps such pairs until then.
//!
//! [`Node::NONE`] is a value that no stored state holds. If the graph outgrows its bound, everything counts as precise,
//! which is sound and merely prunes less.

use crate::limits::PRECISION_NODES_MAX;
use std::collections::HashMap;

/// A node, or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) const NONE: Self = Self(0);
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deps: [Node; 2],
    precise: bool,
}

/// The graph.
#[derive(Debug)]
pub(crate) struct Precision {
    entries: Vec<Entry>,
    full: bool,
    /// Values of pruned paths by the values of the states that they were pruned by.
    followers: HashMap<Node, Vec<Node>>,
    work: Vec<Node>,
    marks: u32,
}

impl Precision {
    pub(crate) fn new() -> Self {
        let none = Entry {
            deps: [Node::NONE; 2],
            precise: false,
        };
        Self {
            entries: vec![none],
            full: false,
            followers: HashMap::new(),
            work: Vec::new(),
            marks: 0,
        }
    }

    fn push(&mut self, deps: [Node; 2]) -> Node {
        if self.entries.len() >= PRECISION_NODES_MAX {
            self.full = true;
            return Node::NONE;
        }
        let node = Node(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.push(Entry {
            deps,
            precise: false,
        });
        node
    }

    /// The node of a value computed from two.
    pub(crate) fn join(&mut self, a: Node, b: Node) -> Node {
        if a == Node::NONE || a == b {
            b
        } else if b == Node::NONE {
            a
        } else {
            self.push([a, b])
        }
    }

    /// The node of a value in a state that is being stored.
    pub(crate) fn stored(&mut self, node: Node) -> Node {
        self.push([node, Node::NONE])
    }

    /// Whether a value of a stored state must be respected.
    pub(crate) fn is_precise(&self, node: Node) -> bool {
        self.full || self.entries[node.index()].precise
    }

    /// Once `old` is marked, `cur` is, too.
    pub(crate) fn follow(&mut self, old: Node, cur: Node) {
        if cur == Node::NONE || self.is_precise(cur) || old == cur {
            return;
        }
        if self.is_precise(old) {
            self.mark(cur);
        } else if old != Node::NONE {
            self.followers.entry(old).or_default().push(cur);
        }
    }

    /// Marks a value and all that it was computed from.
    pub(crate) fn mark(&mut self, node: Node) {
        if node == Node::NONE || self.entries[node.index()].precise {
            return;
        }
        self.work.push(node);
        while let Some(node) = self.work.pop() {
            let entry = &mut self.entries[node.index()];
            if node == Node::NONE || entry.precise {
                continue;
            }
            entry.precise = true;
            self.marks += 1;
            self.work.extend(entry.deps);
            if let Some(followers) = self.followers.remove(&node) {
                self.work.extend(followers);
            }
        }
    }
}

impl Node {
    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_down_and_not_sideways() {
        let mut graph = Precision::new();
        let root = graph.stored(Node::NONE);
        let (left, right) = (graph.stored(root), graph.stored(root));
        graph.mark(left);
        assert!(graph.is_precise(root) && graph.is_precise(left));
        assert!(!graph.is_precise(right) && !graph.is_precise(Node::NONE));
    }

    #[test]
    fn joins_depend_on_both() {
        let mut graph = Precision::new();
        let (a, b) = (graph.stored(Node::NONE), graph.stored(Node::NONE));
        let sum = graph.join(a, b);
        assert_eq!(graph.join(a, Node::NONE), a);
        graph.mark(sum);
        assert!(graph.is_precise(a) && graph.is_precise(b));
    }
}
