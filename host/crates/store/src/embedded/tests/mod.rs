//! Crashes, failing disks and damage, on a disk in memory.

mod checked;
mod clock;
mod collect;
mod compressed;
mod counting;
mod crash;
mod damage;
mod derived;
mod dump;
mod failing;
mod fixture;
mod formats;
mod full;
mod images;
mod keys;
mod life;
mod opening;
mod restored;
mod scenarios;
mod script;
mod slow;
mod steps;
