//! How long `appliance import` takes.

use std::path::Path;

use harness::programs::run;
use harness::workload::Workload;

use crate::figures::{Figure, Unit, mebibytes};

/// Most seconds that the import of the panel may take.
const SECONDS_MAX: f64 = 600.0;

/// What an import did.
pub(crate) struct Imported {
    lines: f64,
    seconds: f64,
    input_bytes: u64,
    file_bytes: u64,
}

/// Folder of the data below the folder of a run.
pub(crate) const DATA: &str = "box";

/// Imports a panel into `folder`/[`DATA`].
pub(crate) fn import(panel: Workload, folder: &Path) -> Imported {
    let (lines, data) = (folder.join("lines"), folder.join(DATA));
    eprintln!("writing {panel}");
    panel.write(&lines);
    eprintln!("importing");
    let said = run(
        "appliance",
        &[
            "import",
            "--data",
            data.to_str().unwrap(),
            lines.to_str().unwrap(),
            "--json",
        ],
        b"",
    );
    assert_eq!(said.code, 0, "{}", said.err);
    let told = said.json();
    assert_eq!(told["new"], told["lines"], "every line is new");
    let input_bytes = std::fs::metadata(&lines).unwrap().len();
    std::fs::remove_file(&lines).unwrap();
    Imported {
        lines: told["lines"].as_f64().unwrap(),
        seconds: told["seconds"].as_f64().unwrap(),
        input_bytes,
        file_bytes: std::fs::metadata(data.join("clinic.db")).unwrap().len(),
    }
}

/// The figures of an import.
pub(crate) fn figures(panel: Workload, imported: &Imported) -> Vec<Figure> {
    let Imported {
        lines,
        seconds,
        input_bytes,
        file_bytes,
    } = *imported;
    vec![
        Figure::told(format!("import of {panel}"), seconds, Unit::Seconds).at_most(SECONDS_MAX),
        Figure::told("lines imported", lines, Unit::Count),
        Figure::told("lines imported in a second", lines / seconds, Unit::PerSecond),
        Figure::told(
            "database after the import",
            mebibytes(file_bytes),
            Unit::Mebibytes,
        )
        .against("the lines", mebibytes(input_bytes)),
    ]
}
