#pragma once

/// The demo page, carried inside the program: a bare machine needs no other file. Its source is the folder `demo`.

#include <string_view>
#include <vector>

namespace gangway {

/// A file of the demo page; everything in it lives as long as the program.
struct embedded_file {
  std::string_view path;         ///< as requested: "/" or "/demo.js"
  std::string_view content_type; ///< with its charset
  std::string_view body;
};

/// Returns the files of the demo page; `/` is the page itself.
const std::vector<embedded_file>& demo_files();

} // namespace gangway
