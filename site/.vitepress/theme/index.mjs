/** The default theme of VitePress with the fonts of the system. */
import { useData } from 'vitepress';
import DefaultTheme from 'vitepress/theme-without-fonts';
import { onMounted, watch } from 'vue';
import { languageOf } from '../../sections.mjs';
import './style.css';

export default {
  extends: DefaultTheme,
  // VitePress has one language for the site; a screen reader and the fonts need that of the page.
  setup() {
    const { page } = useData();
    const apply = () => {
      document.documentElement.lang = languageOf(page.value.relativePath);
    };
    onMounted(apply);
    watch(page, apply, { flush: 'post' });
  },
};
