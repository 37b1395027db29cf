//! Lanes: how urgent something is on the wire.

/// How urgent something is on the wire; P0 goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Notices, critical values, ECG previews.
    P0,
    /// Urgent requests.
    P1,
    /// The day's clinical work.
    P2,
    /// Public health, history, audit.
    P3,
    /// Blobs.
    P4,
}

impl Lane {
    /// Number of lanes.
    pub const COUNT: usize = 5;
    /// Every lane, most urgent first.
    pub const ALL: [Self; Self::COUNT] = [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4];

    /// Whether what travels here waits for nothing: it is neither gathered nor held back for the way's sake.
    pub fn is_urgent(self) -> bool {
        self <= Self::P1
    }

    /// The number on the wire and in tables.
    pub fn number(self) -> u8 {
        match self {
            Self::P0 => 0,
            Self::P1 => 1,
            Self::P2 => 2,
            Self::P3 => 3,
            Self::P4 => 4,
        }
    }

    /// The place in an array with one element a lane.
    pub fn index(self) -> usize {
        usize::from(self.number())
    }

    /// The lane with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name in reports: `P0` to `P4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}
