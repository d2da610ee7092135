#define CAF_SUITE file_text

#include "config/file_text.hpp"

#include <caf/test/unit_test.hpp>

#include "tests/config/folder.hpp"

using namespace gangway;
using test::folder;

namespace {

std::string fault_of(const std::filesystem::path& file) {
  const auto read = read_text(file, 1024);
  const auto* fault = std::get_if<file_fault>(&read);
  return fault ? fault->reason : "none";
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(file_text_tests, folder)

CAF_TEST(a_file_is_read_up_to_its_most_and_not_beyond) {
  const auto read = read_text(write("whole", std::string(1024, 'a')), 1024);
  CAF_REQUIRE(std::holds_alternative<file_text>(read));
  CAF_CHECK_EQUAL(std::get<file_text>(read).text.size(), 1024u);
  CAF_CHECK_EQUAL(fault_of(write("longer", std::string(1025, 'a'))), path + "/longer: is larger than 1 KiB");
}

CAF_TEST(a_fault_has_the_absolute_path_and_the_reason_of_the_system) {
  CAF_CHECK_EQUAL(fault_of(path + "/none"), path + "/none: cannot be read: No such file or directory");
  CAF_CHECK_EQUAL(fault_of(path), path + ": cannot be read: Is a directory");
  CAF_CHECK_EQUAL(fault_of("/dev/null"), "/dev/null: is no regular file");
  const auto here = std::filesystem::current_path().string();
  CAF_CHECK_EQUAL(fault_of("no-such-file"), here + "/no-such-file: cannot be read: No such file or directory");
}

CAF_TEST(a_place_for_a_database_needs_a_folder_and_no_file_of_another_kind) {
  CAF_CHECK_EQUAL(complain_about_place(path + "/new.db"), "");
  CAF_CHECK_EQUAL(complain_about_place(write("old.db", "")), "");
  CAF_CHECK_EQUAL(complain_about_place(path + "/none/new.db"),
                  "its folder " + path + "/none: No such file or directory");
  CAF_CHECK_EQUAL(complain_about_place(path + "/old.db/new.db"), "its folder " + path + "/old.db: Not a directory");
  std::filesystem::create_directory(path + "/folder.db");
  CAF_CHECK_EQUAL(complain_about_place(path + "/folder.db"), path + "/folder.db is no regular file");
}

CAF_TEST_FIXTURE_SCOPE_END()
