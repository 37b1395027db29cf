//! Line icons, drawn here so that nothing is fetched. Each stands beside a word, never alone, so screen readers
//! skip them.

use maud::{Markup, html};

/// An icon of 24 × 24 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// Today's list.
    Today,
    /// Residents.
    People,
    /// One person.
    Person,
    /// Devices and bays.
    Device,
    /// The tray of unclaimed readings.
    Tray,
    /// Administration.
    Settings,
    /// Clinics of a county.
    Clinics,
    /// Search.
    Search,
    /// Add.
    Add,
    /// An ECG trace.
    Trace,
    /// A heart: vital signs.
    Heart,
    /// A visit's page.
    Note,
    /// Lock the screen.
    Lock,
    /// Leave.
    Leave,
    /// Print.
    Print,
    /// Done.
    Check,
    /// Call somebody.
    Bell,
    /// An identity card.
    Card,
    /// Export or download.
    Download,
    /// The audit trail.
    Shield,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Today => "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M8 14h3M8 17h6",
            Self::People => {
                "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.2a6.5 6.5 0 0 1 3.5 5.8"
            }
            Self::Person => "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 21a7.5 7.5 0 0 1 15 0",
            Self::Device => "M5 3h14v13H5zM8 20h8M12 16v4M8 10h2l1.5-3 2 5 1-2H17",
            Self::Tray => "M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2.5h4L15 13h5",
            Self::Settings => {
                "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1"
            }
            Self::Clinics => "M3 21h18M5 21V9l7-5 7 5v12M12 10v5M9.5 12.5h5M10 21v-3h4v3",
            Self::Search => "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21",
            Self::Add => "M12 4v16M4 12h16",
            Self::Trace => "M2 13h4l1.5-3 2 6L12 4l2.5 14 1.5-5h6",
            Self::Heart => "M12 20S3.5 15 3.5 9A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 8.5 2c0 6-8.5 11-8.5 11z",
            Self::Note => "M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7",
            Self::Lock => "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 14.5v2",
            Self::Leave => "M14 4H5v16h9M10 12h11M17.5 8.5L21 12l-3.5 3.5",
            Self::Print => "M7 8V3h10v5M7 17H4V8h16v9h-3M7 14h10v7H7z",
            Self::Check => "M4.5 12.5l5 5L20 7",
            Self::Bell => "M6 17V11a6 6 0 0 1 12 0v6l1.5 2h-15zM10 21h4",
            Self::Card => {
                "M3 5h18v14H3zM7 15.5a3 3 0 0 1 6 0M10 12a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM15.5 10H18M15.5 13.5H18"
            }
            Self::Download => "M12 4v11M7.5 11L12 15.5 16.5 11M4 20h16",
            Self::Shield => "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5",
        }
    }

    /// The icon as inline SVG.
    pub fn svg(self) -> Markup {
        html! {
            svg.icon viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
                path d=(self.path()) fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {}
            }
        }
    }
}
