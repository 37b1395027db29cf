//! The archive that this machine's own apt is set up for, whatever release the machine runs: its sources are read
//! for the address, and a private apt root of the image's architecture stands beside the machine's. apt checks the
//! signatures of the indexes and goes through whatever proxy it goes through otherwise.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::manifest::Manifest;
use crate::packages::index::{Index, IndexError};

/// Names under which Debian's releases stand in an archive.
const RELEASES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
/// Debian's keys where a machine's source names none.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Files that one call of apt's helper fetches.
const BATCH: usize = 12;

/// Why the archive gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A program is missing.
    #[error("{program} is not on this machine: install the package {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The machine's apt knows no Debian archive.
    #[error(
        "the apt sources in {} name no Debian archive for {suite}: add one there, or name a folder with --apt-sources", folder.display()
    )]
    NoArchive {
        /// Where was looked.
        folder: PathBuf,
        /// The suite that is wanted.
        suite: String,
    },
    /// apt did not do it.
    #[error("apt cannot {what}: {words}")]
    Apt {
        /// What it was to do.
        what: String,
        /// Its own words.
        words: String,
    },
    /// An index is not in order.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// One archive of the machine's apt sources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    /// What stood about trust: `signed-by=…`, `trusted=yes`.
    options: Vec<String>,
}

/// A private apt root.
#[derive(Debug)]
pub struct Archive {
    root: PathBuf,
    architecture: String,
    suites: Vec<(String, Source)>,
}

impl Archive {
    /// Sets a private apt root up in `root` for the suites of a manifest, with the addresses of the apt sources in
    /// `sources` (`/etc/apt`).
    ///
    /// # Errors
    /// Where no source names a Debian archive, or `root` cannot be written.
    pub fn set_up(
        root: &Path,
        sources: &Path,
        manifest: &Manifest,
        suites: &[String],
    ) -> Result<Self, ArchiveError> {
        let found = read_sources(sources)?;
        let mut chosen = Vec::new();
        for suite in suites {
            let source = pick(&found, suite).ok_or_else(|| ArchiveError::NoArchive {
                folder: sources.to_owned(),
                suite: suite.clone(),
            })?;
            chosen.push((suite.clone(), source));
        }
        for folder in ["lists/partial", "cache/archives/partial"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|error| ArchiveError::File { path, error })?;
        }
        let lines: String = chosen
            .iter()
            .map(|(suite, source)| {
                format!(
                    "deb [arch={} {}] {} {suite} {}\n",
                    manifest.architecture,
                    source.options.join(" "),
                    source.uri,
                    manifest.components.join(" ")
                )
            })
            .collect();
        write(&root.join("sources.list"), &lines)?;
        write(&root.join("status"), "")?;
        Ok(Self {
            root: root.to_owned(),
            architecture: manifest.architecture.clone(),
            suites: chosen,
        })
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let root = self.root.display();
        let settings = [
            format!("Dir::Etc::SourceList={root}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={root}/lists"),
            format!("Dir::State::status={root}/status"),
            format!("Dir::Cache={root}/cache"),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            // Only the indexes, as plain text; apt's own user cannot enter a folder of ours.
            "Acquire::GzipIndexes=false".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ];
        for setting in settings {
            command.args(["-o", &setting]);
        }
        command.env("LC_ALL", "C");
        command
    }

    /// Fetches the indexes; apt checks their signatures.
    ///
    /// # Errors
    /// In apt's own words, also where a signature does not fit.
    pub fn refresh(&self) -> Result<Index, ArchiveError> {
        let mut update = self.apt("apt-get");
        // An index that cannot be fetched or checked is a failure, not a warning beside an older one.
        update.args(["-o", "APT::Update::Error-Mode=any", "-qq", "update"]);
        run(update, "fetch the indexes")?;
        let mut targets = self.apt("apt-get");
        targets.args([
            "indextargets",
            "--format",
            "$(FILENAME)\t$(CODENAME)\t$(SUITE)",
            "Created-By: Packages",
        ]);
        let listing = run(targets, "list the indexes")?;
        let mut index = Index::default();
        for line in listing.lines() {
            let mut fields = line.split('\t');
            let path = PathBuf::from(fields.next().unwrap_or_default());
            let names: Vec<&str> = fields.collect();
            let Some((suite, _)) = self
                .suites
                .iter()
                .find(|(suite, _)| names.contains(&suite.as_str()))
            else {
                continue;
            };
            let text = fs::read_to_string(&path).map_err(|error| ArchiveError::File { path, error })?;
            index.add(suite, &text)?;
        }
        Ok(index)
    }

    /// The address of a file in the archive that holds a suite.
    pub fn address(&self, suite: &str, file: &str) -> Option<String> {
        let (_, source) = self.suites.iter().find(|(name, _)| name == suite)?;
        Some(format!("{}/{file}", source.uri.trim_end_matches('/')))
    }

    /// Fetches files to paths; what is partly there is gone on with. A file that cannot be had is not an error here:
    /// it is not there afterwards.
    ///
    /// # Errors
    /// Where apt's helper is missing.
    pub fn fetch(
        &self,
        wanted: &[(String, PathBuf, String)],
        mut progress: impl FnMut(usize),
    ) -> Result<String, ArchiveError> {
        let helper = "/usr/lib/apt/apt-helper";
        let mut words = String::new();
        for batch in wanted.chunks(BATCH) {
            let mut command = self.apt(helper);
            command.arg("download-file");
            for (address, path, sha256) in batch {
                command.args([address, &path.display().to_string(), &format!("SHA256:{sha256}")]);
            }
            let output = command.output().map_err(|_| MISSING_APT)?;
            if !output.status.success() {
                words.push_str(&last_words(&output.stderr));
            }
            for (_, path, _) in batch {
                own(path)?;
            }
            progress(batch.len());
        }
        Ok(words)
    }
}

/// Of an archive in a folder, apt only leaves a link: a copy takes its place, which stays when the archive moves on.
fn own(path: &Path) -> Result<(), ArchiveError> {
    let file_error = |error| ArchiveError::File {
        path: path.to_owned(),
        error,
    };
    if !path.is_symlink() {
        return Ok(());
    }
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).map_err(file_error)?;
    fs::rename(&copy, path).map_err(file_error)
}

const MISSING_APT: ArchiveError = ArchiveError::Missing {
    program: "apt-get",
    package: "apt",
};

fn run(mut command: Command, what: &str) -> Result<String, ArchiveError> {
    let output = command.output().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            MISSING_APT
        } else {
            ArchiveError::Apt {
                what: what.to_owned(),
                words: error.to_string(),
            }
        }
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ArchiveError::Apt {
        what: what.to_owned(),
        words: last_words(&output.stderr),
    })
}

/// The lines in which apt says what went wrong.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("E:") || line.starts_with("W:"))
        .map(|line| line[2..].trim())
        .take(4)
        .collect();
    lines.join("; ")
}

fn write(path: &Path, text: &str) -> Result<(), ArchiveError> {
    fs::write(path, text).map_err(|error| ArchiveError::File {
        path: path.to_owned(),
        error,
    })
}

/// The machine's source for a suite: the one of the same kind (a security suite lies in an archive of its own), of
/// whatever release.
fn pick(sources: &[Source], suite: &str) -> Option<Source> {
    let kind = |suite: &str| {
        let release = suite.split(['-', '/']).next().unwrap_or_default();
        RELEASES
            .contains(&release)
            .then(|| suite[release.len()..].to_owned())
    };
    let wanted = kind(suite)?;
    let is_security = |kind: &str| matches!(kind, "-security" | "/updates");
    sources
        .iter()
        .find(|source| {
            source
                .suites
                .iter()
                .filter_map(|suite| kind(suite))
                .any(|kind| match kind.as_str() {
                    kind if is_security(kind) => is_security(&wanted),
                    "" | "-updates" | "-backports" => !is_security(&wanted),
                    _ => false,
                })
        })
        .cloned()
}

fn read_sources(folder: &Path) -> Result<Vec<Source>, ArchiveError> {
    let mut files = vec![folder.join("sources.list")];
    let parts = folder.join("sources.list.d");
    let mut more: Vec<PathBuf> = fs::read_dir(&parts)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    more.sort();
    files.extend(more);
    let mut found = Vec::new();
    for path in files.into_iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(&path).map_err(|error| ArchiveError::File {
            path: path.clone(),
            error,
        })?;
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("sources") => found.extend(paragraphs(&text)),
            Some("list") => found.extend(text.lines().filter_map(one_line)),
            _ => {}
        }
    }
    for source in &mut found {
        if source.options.is_empty() && Path::new(KEYRING).exists() {
            source.options.push(format!("signed-by={KEYRING}"));
        }
    }
    Ok(found)
}

/// `deb [OPTIONS] URI SUITE COMPONENT…`
fn one_line(line: &str) -> Option<Source> {
    let rest = line.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?.to_owned();
    let suite = words.next()?.to_owned();
    words.any(|component| component == "main").then(|| Source {
        uri,
        suites: vec![suite],
        options: options
            .split_whitespace()
            .filter(|option| option.starts_with("signed-by=/") || option.starts_with("trusted="))
            .map(str::to_owned)
            .collect(),
    })
}

/// Paragraphs of `Field: value` lines.
fn paragraphs(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let words = |name: &str| -> Vec<String> {
            field(name)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let is_off = field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
        let has = |name: &str, word: &str| words(name).iter().any(|w| w == word);
        let Some(uri) = words("URIs").into_iter().next() else {
            continue;
        };
        if is_off || !has("Types", "deb") || !has("Components", "main") {
            continue;
        }
        let mut options = Vec::new();
        if let Some(key) = field("Signed-By").filter(|value| value.starts_with('/')) {
            options.push(format!("signed-by={key}"));
        }
        if let Some(value) = field("Trusted") {
            options.push(format!("trusted={value}"));
        }
        sources.push(Source {
            uri,
            suites: words("Suites"),
            options,
        });
    }
    sources
}
