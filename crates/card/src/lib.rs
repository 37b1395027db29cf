//! What stands on a card and how it changes. Everything goes through [`BlockDevice`], so that a test can put a
//! card in its place that lies about its size, gives wrong bytes back, or is pulled out.

pub mod block_map;
pub mod device;
pub mod file_device;
pub mod simulated;

pub use block_map::{BlockMap, BlockMapError, Stretch};
pub use device::{BLOCK, BlockDevice, DeviceFault};
pub use file_device::FileDevice;
