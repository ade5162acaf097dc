//! Crashes, failing disks and damage, on a disk in memory.

mod clock;
mod collect;
mod compressed;
mod crash;
mod damage;
mod dump;
mod failing;
mod fixture;
mod formats;
mod full;
mod images;
mod keys;
mod life;
mod opening;
mod scenarios;
mod script;
mod slow;
mod steps;
