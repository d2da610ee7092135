# Turns the files of the demo page into a source file that defines demo_files() (demo_files.hpp). Included by
# server/CMakeLists.txt it adds the rule and names the result in `demo_files_source`; run by `cmake -P` it is the rule.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(demo_folder ${CMAKE_CURRENT_LIST_DIR}/demo)
  set(demo_files_source ${CMAKE_CURRENT_BINARY_DIR}/demo_files.cpp)
  file(GLOB demo_inputs CONFIGURE_DEPENDS ${demo_folder}/*.html ${demo_folder}/*.js ${demo_folder}/*.css)
  add_custom_command(
    OUTPUT ${demo_files_source}
    COMMAND ${CMAKE_COMMAND} -D FOLDER=${demo_folder} -D OUTPUT=${demo_files_source} -P ${CMAKE_CURRENT_LIST_FILE}
    DEPENDS ${demo_inputs} ${CMAKE_CURRENT_LIST_FILE}
    COMMENT "Embedding the demo page"
    VERBATIM)
  return()
endif()

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")

set(entries "")
file(GLOB names RELATIVE ${FOLDER} ${FOLDER}/*.html ${FOLDER}/*.js ${FOLDER}/*.css)
foreach(name IN LISTS names)
  get_filename_component(kind ${name} LAST_EXT)
  string(SUBSTRING ${kind} 1 -1 kind)
  string(REGEX REPLACE "^index\\.html$" "" path ${name})
  # Every byte as an escape: no character of a file can then end the literal or be taken for CMake's own.
  file(READ ${FOLDER}/${name} bytes HEX)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  string(APPEND entries "    {\"/${path}\", \"${type_${kind}}\", {\"${bytes}\", ${size}}},\n")
endforeach()

file(WRITE ${OUTPUT} "// Made by demo.cmake from the files in server/demo.
#include \"server/demo_files.hpp\"

namespace gangway {

const std::vector<embedded_file>& demo_files() {
  static const std::vector<embedded_file> files{
${entries}  };
  return files;
}

} // namespace gangway
")
