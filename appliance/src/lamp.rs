//! How a box without a screen says how it is: flashes of the board's green lamp, to be counted by whoever stands before
//! it, and the same number large on a screen, where one is plugged in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use card::starting::Health;

/// How long a start may take until a box that was never well counts as ill.
const START_MAX: Duration = Duration::from_secs(600);
/// Looks in a row that find a box not well before it is called ill: one may fall into a restart of its program.
const LOOKS: u32 = 3;
/// Between two looks at the page; the store is asked to write only at each [`STORE_EVERY`]th, since that wears the card.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// See [`LOOK_EVERY`].
pub const STORE_EVERY: u32 = 30;
/// What stands in the name of the board's green lamp in the kernel's folder: `ACT` or `led-act`, by the kernel.
const LAMP: &str = "act";
/// A flash, the dark between two of them, and the dark between two groups.
const LIGHT: Duration = Duration::from_millis(200);
const DARK: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(1500);
/// Characters of a line on a text screen, which has 80 places.
const WIDTH: usize = 72;
/// The flicker of a box that starts.
const FLICKER: Duration = Duration::from_millis(80);
const FLICKERS: usize = 8;

/// How a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It starts, or rebuilds something.
    Starting,
    /// It answers, reads and writes.
    Working,
    /// Its data wait until somebody types the start PIN.
    Waiting,
    /// It runs without its data: another machine's card, or data that do not open.
    Locked,
    /// It does not answer, or does not save.
    Ill,
}

/// What was found at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The data partition is not there.
    NoData,
    /// It waits for the start PIN.
    Waits,
    /// The box was asked.
    Asked(Health),
}

/// What was seen so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    was_well: bool,
    unwell: u32,
}

impl Seen {
    /// Takes in a look; `up` is the time since the start of the machine.
    pub fn look(&mut self, look: &Look, up: Duration) -> Standing {
        match look {
            Look::NoData => Standing::Locked,
            Look::Waits => Standing::Waiting,
            Look::Asked(Health::Well) => {
                (self.was_well, self.unwell) = (true, 0);
                Standing::Working
            }
            Look::Asked(Health::Ill(_)) => {
                self.unwell = self.unwell.saturating_add(1);
                match (self.was_well, self.unwell >= LOOKS) {
                    (true, true) => Standing::Ill,
                    (true, false) => Standing::Working,
                    (false, _) if up < START_MAX => Standing::Starting,
                    (false, _) => Standing::Ill,
                }
            }
        }
    }
}

impl Standing {
    /// How often the lamp flashes in a group; a flicker without number while the box starts.
    pub fn flashes(self) -> Option<usize> {
        match self {
            Self::Starting => None,
            Self::Working => Some(1),
            Self::Locked => Some(2),
            Self::Ill => Some(3),
            Self::Waiting => Some(4),
        }
    }

    /// One round of the lamp: whether it is lit, and for how long.
    pub fn round(self) -> Vec<(bool, Duration)> {
        let Some(flashes) = self.flashes() else {
            return [(true, FLICKER), (false, FLICKER)].repeat(FLICKERS);
        };
        let mut round = [(true, LIGHT), (false, DARK)].repeat(flashes);
        if let Some((_, last)) = round.last_mut() {
            *last = PAUSE;
        }
        round
    }

    /// What a screen says; its letters are those that every text screen has.
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Starting => ["STARTING", "Please wait. Do not pull the plug."],
            Self::Working => ["WORKING", "Nothing is to be done here: use the tablet."],
            Self::Waiting => [
                "LOCKED, WAITS FOR THE START PIN",
                "Type the start PIN at a tablet. Patients can measure at the kiosk meanwhile.",
            ],
            Self::Locked => [
                "DATA LOCKED",
                "The data on this card do not open. Is it the card of this box? Call the county, and write nothing on the card.",
            ],
            Self::Ill => [
                "ILL",
                "Pull the plug, wait for ten seconds, plug it in again. If this stays, call the county.",
            ],
        }
    }

    /// The screen: a large digit as many as the lamp flashes, what it means, and these lines.
    pub fn screen(self, lines: &[String]) -> String {
        let digit = match self.flashes() {
            Some(1) => ["  ##  ", " ###  ", "  ##  ", "  ##  ", "######"],
            Some(2) => ["##### ", "    ##", " #### ", "##    ", "######"],
            Some(3) => ["##### ", "    ##", " #### ", "    ##", "##### "],
            Some(_) => ["##  ##", "##  ##", "######", "    ##", "    ##"],
            None => ["      ", "      ", "## ## ", "      ", "      "],
        };
        let [name, todo] = self.words();
        // Clears the screen and hides the cursor.
        let mut text = "\u{1b}[2J\u{1b}[H\u{1b}[?25l\r\n".to_owned();
        for (row, line) in digit.iter().enumerate() {
            // Each dot two places wide: a place is twice as high as it is wide.
            let wide: String = line
                .chars()
                .flat_map(|dot| [if dot == '#' { '\u{2588}' } else { ' ' }; 2])
                .collect();
            let beside = if row == 2 { name } else { "" };
            text.push_str(&format!("    {wide}    {beside}\r\n"));
        }
        text.push_str("\r\n");
        // A screen obeys control characters, and who wrote a line may not be known.
        let lines = lines
            .iter()
            .map(|line| line.chars().filter(|c| !c.is_control()).collect());
        for line in std::iter::once(todo.to_owned()).chain(lines) {
            for piece in wrapped(&line) {
                text.push_str(&format!("    {piece}\r\n"));
            }
        }
        text
    }
}

/// A line in pieces that fit the narrowest screen, cut between words.
fn wrapped(line: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_whitespace() {
        match pieces.last_mut() {
            Some(piece) if piece.is_empty() || piece.chars().count() + 1 + word.chars().count() <= WIDTH => {
                if !piece.is_empty() {
                    piece.push(' ');
                }
                piece.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces
}

/// The board's lamp, in the kernel's folder of lamps.
#[derive(Debug)]
pub struct Lamp {
    brightness: PathBuf,
}

impl Lamp {
    /// Takes the lamp from whatever drives it; `None` on a board without one.
    ///
    /// # Errors
    /// Where there is one, and it cannot be taken.
    pub fn take(lamps: &Path) -> io::Result<Option<Self>> {
        let names = fs::read_dir(lamps).into_iter().flatten().flatten();
        let is_it = |name: &str| name.to_ascii_lowercase().contains(LAMP);
        let mut names = names
            .map(|entry| entry.file_name())
            .filter(|name| is_it(&name.to_string_lossy()));
        let Some(folder) = names.next().map(|name| lamps.join(name)) else {
            return Ok(None);
        };
        // By its usual trigger the kernel flashes at each access to the card.
        fs::write(folder.join("trigger"), "none\n")?;
        Ok(Some(Self {
            brightness: folder.join("brightness"),
        }))
    }

    /// Lights it or puts it out.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn set(&self, is_lit: bool) -> io::Result<()> {
        fs::write(&self.brightness, if is_lit { "255\n" } else { "0\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ill() -> Look {
        Look::Asked(Health::Ill("store: no room".to_owned()))
    }

    #[test]
    fn a_box_starts_works_and_is_called_ill_only_when_it_stays_so() {
        let (early, late) = (Duration::from_secs(20), Duration::from_secs(4000));
        let mut seen = Seen::default();
        for _ in 0..10 {
            assert_eq!(seen.look(&ill(), early), Standing::Starting);
        }
        assert_eq!(seen.look(&Look::Asked(Health::Well), early), Standing::Working);
        // Its program restarts.
        assert_eq!(seen.look(&ill(), late), Standing::Working);
        assert_eq!(seen.look(&ill(), late), Standing::Working);
        assert_eq!(seen.look(&Look::Asked(Health::Well), late), Standing::Working);
        for standing in [Standing::Working, Standing::Working, Standing::Ill, Standing::Ill] {
            assert_eq!(seen.look(&ill(), late), standing);
        }
        assert_eq!(seen.look(&Look::Asked(Health::Well), late), Standing::Working);

        let mut never = Seen::default();
        assert_eq!(never.look(&ill(), START_MAX), Standing::Ill);
        assert_eq!(never.look(&Look::NoData, early), Standing::Locked);
        assert_eq!(never.look(&Look::Waits, early), Standing::Waiting);
    }

    #[test]
    fn a_person_counts_as_many_flashes_as_the_screen_says() {
        let all = [
            Standing::Working,
            Standing::Locked,
            Standing::Ill,
            Standing::Waiting,
        ];
        for (standing, wanted) in all.into_iter().zip(1..) {
            let round = standing.round();
            assert_eq!(round.iter().filter(|(is_lit, _)| *is_lit).count(), wanted);
            let (is_lit, last) = round[round.len() - 1];
            // The dark between groups is clearly longer than the dark within one.
            assert!(!is_lit && last >= 4 * DARK, "{round:?}");
            assert!(round[..round.len() - 1].iter().all(|(_, time)| *time < PAUSE / 4));
        }
        let flicker = Standing::Starting.round();
        assert!(flicker.iter().all(|(_, time)| *time < LIGHT / 2));
        assert!(flicker.len() >= 10);
    }

    #[test]
    fn a_screen_shows_number_and_words_and_obeys_no_strange_line() {
        let lines = ["https://192.168.1.20".to_owned(), "bad\u{1b}[2Jline".to_owned()];
        let text = Standing::Locked.screen(&lines);
        assert!(text.contains("DATA LOCKED") && text.contains("https://192.168.1.20"));
        assert_eq!(text.matches("\u{1b}[2J").count(), 1);
        let longest = text.split("\r\n").map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest < 80), "{text}");
        let long = Standing::Ill.screen(&["a reason of many words ".repeat(20)]);
        assert!(
            long.split("\r\n").all(|line| line.chars().count() < 80) && long.matches("many").count() == 20
        );
        let dots = |standing: Standing| standing.screen(&[]).matches('\u{2588}').count();
        let all = [
            Standing::Starting,
            Standing::Working,
            Standing::Waiting,
            Standing::Locked,
            Standing::Ill,
        ]
        .map(dots);
        assert!(all.iter().all(|count| *count > 0), "{all:?}");
    }

    #[test]
    fn the_lamp_is_taken_from_its_trigger_and_set() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lamp::take(&folder.path().join("none")).unwrap().is_none());
        for other in ["mmc0::", "led-pwr", "input0::capslock"] {
            fs::create_dir(folder.path().join(other)).unwrap();
        }
        assert!(Lamp::take(folder.path()).unwrap().is_none());
        let act = folder.path().join("led-act");
        fs::create_dir(&act).unwrap();
        fs::write(act.join("trigger"), "[mmc0] none").unwrap();
        let lamp = Lamp::take(folder.path()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(act.join("trigger")).unwrap(), "none\n");
        for (is_lit, text) in [(true, "255\n"), (false, "0\n")] {
            lamp.set(is_lit).unwrap();
            assert_eq!(fs::read_to_string(act.join("brightness")).unwrap(), text);
        }
    }
}
