//! What a field technician's laptop does with card images. Today it looks into one: [`inspect`].

pub mod file_systems;
pub mod inspect;
