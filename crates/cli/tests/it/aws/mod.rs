//! The whole service on look-alikes of AWS: moto, our IVS, a real PostgreSQL, a real HLS origin.

mod broadcasts;
mod cloud;
mod endurance;
mod files;
mod policy;
mod streams;
mod workers;
