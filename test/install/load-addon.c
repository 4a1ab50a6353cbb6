/* Loads the addon argv[1] with all symbols resolved at once. prebuilds.test.ts builds it with musl
 * and with a definition of each function that Node provides. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
  void *addon = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (addon == NULL || dlsym(addon, "napi_register_module_v1") == NULL) {
    fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "expected one argument");
    return 1;
  }
  puts("loaded");
  return 0;
}
