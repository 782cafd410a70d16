//! Rounds of one measurement.

/// Numbers in nanoseconds (or whatever the caller means).
#[derive(Debug, Default)]
pub(crate) struct Sample {
    values: Vec<f64>,
}

impl Sample {
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    pub(crate) fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `minimum (median)`, or a dash without a measurement.
    pub(crate) fn show(&self, digits: usize) -> String {
        if self.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.digits$} ({:.digits$})", self.min(), self.median())
        }
    }
}
