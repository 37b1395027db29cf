//! Gathers what browsers are sent into `OUT_DIR/assets`: the styles and scripts of this crate, each kind joined
//! into one file, and htmx, fetched by `npm ci` against the committed lock file or taken from `HTMX_JS`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

#[expect(clippy::print_stderr, reason = "a build script talks to cargo by its output")]
fn main() {
    println!("cargo:rerun-if-env-changed=HTMX_JS");
    for input in [
        "package.json",
        "package-lock.json",
        "styles",
        "scripts",
        "static",
        "texts",
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    if let Err(sentence) = gather() {
        eprintln!("{sentence}");
        std::process::exit(1);
    }
}

fn gather() -> Result<(), String> {
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|_| "run by cargo only".to_owned())?);
    let assets = out.join("assets");
    fs::create_dir_all(&assets).map_err(|cause| told(&assets, &cause))?;
    each_text_once("texts/zh")?;
    each_text_once("texts/en")?;
    join("styles", "css", &assets.join("clinic.css"))?;
    join("scripts", "js", &assets.join("clinic.js"))?;
    for file in files_of("static")? {
        if let Some(name) = file.file_name() {
            copy(&file, &assets.join(name))?;
        }
    }
    let htmx = match env::var_os("HTMX_JS") {
        Some(path) => PathBuf::from(path),
        None => fetch_htmx(&out.join("npm"))?,
    };
    copy(&htmx, &assets.join("htmx.js"))
}

/// A key that stands in two files of a language would stop the program when its first text is shown.
fn each_text_once(folder: &str) -> Result<(), String> {
    let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files_of(folder)? {
        let text = fs::read_to_string(&file).map_err(|cause| told(&file, &cause))?;
        for line in text
            .lines()
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        {
            let key = line.split('=').next().unwrap_or(line).trim().to_owned();
            if let Some(other) = places.insert(key.clone(), file.clone()) {
                return Err(format!(
                    "text {key} stands in {} and in {}",
                    other.display(),
                    file.display()
                ));
            }
        }
    }
    Ok(())
}

/// Joins the files of a folder, in the order of their names, into one.
fn join(folder: &str, ending: &str, to: &Path) -> Result<(), String> {
    let mut joined = String::new();
    for file in files_of(folder)? {
        if file.extension().is_some_and(|found| found == ending) {
            joined += &fs::read_to_string(&file).map_err(|cause| told(&file, &cause))?;
            joined.push('\n');
        }
    }
    fs::write(to, joined).map_err(|cause| told(to, &cause))
}

fn files_of(folder: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|cause| told(Path::new(folder), &cause))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    Ok(files)
}

/// Runs `npm ci` in a folder of its own, once per content of the lock file.
fn fetch_htmx(folder: &Path) -> Result<PathBuf, String> {
    let script = folder.join("node_modules/htmx.org/dist/htmx.min.js");
    let lock = fs::read("package-lock.json").map_err(|cause| told(Path::new("package-lock.json"), &cause))?;
    let fetched = folder.join("fetched-lock.json");
    if script.exists() && fs::read(&fetched).is_ok_and(|held| held == lock) {
        return Ok(script);
    }
    fs::create_dir_all(folder).map_err(|cause| told(folder, &cause))?;
    for name in ["package.json", "package-lock.json"] {
        copy(Path::new(name), &folder.join(name))?;
    }
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .output()
        .map_err(|_| {
            "npm is missing: start demo/run, which installs it, or set HTMX_JS to a copy of htmx.min.js 4.0.1"
                .to_owned()
        })?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(format!(
            "npm ci could not fetch htmx (no network?): set HTMX_JS to a copy of htmx.min.js 4.0.1, or see demo/run\n{said}"
        ));
    }
    fs::write(&fetched, lock).map_err(|cause| told(&fetched, &cause))?;
    Ok(script)
}

/// Copies content only: a registry's file times would make each build look new.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|cause| told(from, &cause))?;
    fs::write(to, bytes).map_err(|cause| told(to, &cause))
}

fn told(path: &Path, cause: &io::Error) -> String {
    format!("{}: {cause}", path.display())
}
