//! What pages of box and hub say about people, made from records: charts, readings, visits, clashes, and the forms
//! that change a chart. The programs bring the records and keep what is written.

pub mod audit;
pub mod clashes;
pub mod courses;
pub mod demographics;
pub mod facts;
pub mod recording;
pub mod shelf;
pub mod standing;
pub mod visit;

pub use audit::AuditRow;
pub use shelf::{Names, Shelf};
