//! How far ahead one question to the server reaches.
//!
//! A server counts every key of the range that it is asked for, however few of them it gives (`count` of `RangeResponse`,
//! <https://etcd.io/docs/v3.6/learning/api/>): pages that all reach to the end of a large range would have it walk over the
//! keys at the end once for each page. A window holds the keys that begin as those which were seen last.

use crate::keyspace::KeyRange;

/// The beginning that the keys of a window share; what comes after the window is asked for when it is used up.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// How long it is, in bytes. With 0 the window has no end.
    shared: usize,
    /// How much shorter it will be when the window was too small, in bytes.
    step: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { shared: 0, step: 1 }
    }
}

impl Window {
    /// The first of `rest`; never empty where that is not.
    #[must_use]
    pub fn of(&self, rest: &KeyRange) -> KeyRange {
        let prefix = rest.from.get(..self.shared).unwrap_or(&rest.from);
        KeyRange::of_prefix(prefix).both(rest)
    }

    /// The next keys are taken to be as close to each other as these two.
    pub fn fit(&mut self, first: &[u8], last: &[u8]) {
        let shared = first.iter().zip(last).take_while(|(left, right)| left == right).count();
        *self = Self { shared, step: 1 };
    }

    /// Too few keys were in a window that ended with `end`. Each time in a row it grows faster.
    pub fn widen(&mut self, end: &[u8]) {
        self.shared = self.shared.min(end.len()).saturating_sub(self.step);
        self.step = self.step.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: Option<&str>) -> KeyRange {
        KeyRange { from: from.into(), to: to.map(Into::into) }
    }

    #[test]
    fn it_reaches_as_far_as_the_last_keys_were_apart_and_no_further_than_the_range() {
        let mut window = Window::default();
        assert_eq!(window.of(&range("a/1", Some("a0"))), range("a/1", Some("a0")));
        window.fit(b"a/1200", b"a/1299");
        assert_eq!(window.of(&range("a/1299\0", Some("a0"))), range("a/1299\0", Some("a/13")));
        assert_eq!(window.of(&range("a/1299\0", Some("a/12x"))), range("a/1299\0", Some("a/12x")));
        assert_eq!(window.of(&range("a/13", None)), range("a/13", Some("a/14")));
        assert_eq!(window.of(&range("b", None)), range("b", Some("c")));
    }

    #[test]
    fn it_grows_ever_faster_until_it_is_all() {
        let mut window = Window::default();
        window.fit(b"registry/pods/1", b"registry/pods/2");
        let mut rest = range("registry/pods/2", None);
        let mut questions = 0;
        while let Some(end) = window.of(&rest).to {
            assert!(end > rest.from);
            window.widen(&end);
            rest.from = end;
            questions += 1;
        }
        assert_eq!(questions, 4);
    }
}
