//! Whose calls are refused first where there are too many.

/// Whose calls are refused first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// These.
    Low,
    /// Then these: the calls of who has no plan.
    #[default]
    Normal,
    /// These only where no place is left.
    High,
}

impl Priority {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// Its name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// From how many calls on those of this priority are refused where there may be `most`: all of them for high ones,
    /// 90 % for normal ones and 80 % for low ones, never none where there may be one.
    pub fn share(self, most: u64) -> u64 {
        let percent = match self {
            Self::Low => 80,
            Self::Normal => 90,
            Self::High => 100,
        };
        most.saturating_mul(percent).div_ceil(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_eight_and_nine_tenths_counted_up() {
        for (most, expected) in
            [(0, [0, 0, 0]), (1, [1, 1, 1]), (2, [2, 2, 2]), (10, [8, 9, 10]), (1000, [800, 900, 1000])]
        {
            assert_eq!(Priority::ALL.map(|priority| priority.share(most)), expected, "{most}");
        }
    }
}
