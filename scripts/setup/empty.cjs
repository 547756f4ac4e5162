// Stands in the bundle for packages that are required and never used: see `unused` in program.mjs.
module.exports = {};
