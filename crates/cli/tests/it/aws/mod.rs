//! Tests of the whole service with simulated AWS services (moto, and the IVS API of testkit), PostgreSQL and an HLS origin.

mod broadcasts;
mod cloud;
mod endurance;
mod files;
mod policy;
mod streams;
mod workers;
