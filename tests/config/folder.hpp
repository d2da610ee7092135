#pragma once

/// What the tests of the configuration share. To be included after `caf/test/unit_test.hpp`.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stdlib.h>

#include "config/configuration.hpp"

namespace gangway::test {

using lines = std::vector<std::string>;

/// A folder of this test's own, for a configuration and what it names.
struct folder {
  std::string path;

  folder() {
    auto name = (std::filesystem::temp_directory_path() / "gangway-config-XXXXXX").string();
    if (!mkdtemp(name.data())) CAF_FAIL("no temporary folder");
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const auto file = std::filesystem::path{path} / name;
    std::ofstream{file, std::ios::binary} << text;
    return file;
  }

  /// Loads `text` as a file; errors come back without the folder.
  loaded load(const std::string& text, const environment_map& environment = {}) const {
    auto result = load_settings(write("gangway.toml", text), environment);
    for (auto& error : result.errors)
      for (auto at = error.find(path + '/'); at != error.npos; at = error.find(path + '/'))
        error.erase(at, path.size() + 1);
    return result;
  }
};

inline void check_lines(const lines& actual, const lines& expected) {
  CAF_CHECK_EQUAL(actual.size(), expected.size());
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i)
    CAF_CHECK_EQUAL(actual[i], expected[i]);
  for (std::size_t i = expected.size(); i < actual.size(); ++i)
    CAF_ERROR(actual[i]);
}

} // namespace gangway::test
